// The client of the administration server, for the CLI, the lab and tests: one blocking call.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "culvert/admin/http_server.hpp"
#include "culvert/base/error.hpp"

namespace culvert::admin {

inline constexpr std::size_t kMaxResponseBytes = 64U << 20;

/// `call("/run/x/admin.sock", "GET", "/status?x=1", "", 2s)`. `target` is a path with its query,
/// already encoded. Every HTTP status is a value; errors: kNotFound or kRefused when nobody
/// listens, kTimeout (of the whole call), kProtocol when the answer is no HTTP, kLimit beyond the
/// bound.
Result<Response> call(const std::string& socket_path, std::string_view method,
                      std::string_view target, std::string_view body,
                      std::chrono::milliseconds timeout);
/// The same to a TCP address, from the calling thread's network namespace.
Result<Response> call(const SocketAddress& server, std::string_view method, std::string_view target,
                      std::string_view body, std::chrono::milliseconds timeout);

}  // namespace culvert::admin
