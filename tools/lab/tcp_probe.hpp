// A TCP connection or an HTTP GET from the calling thread's network namespace, as a kubelet's probe
// makes them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/ip.hpp"

namespace culvert::lab {

using Headers = std::vector<std::pair<std::string, std::string>>;

bool tcp_connects(const SocketAddress& to, std::chrono::milliseconds timeout);
/// The status of the answer; 0 when there was none in time.
int http_get(const SocketAddress& to, const std::string& path, const Headers& headers,
             std::chrono::milliseconds timeout);
/// Of an answer's first line (RFC 9112 section 4); 0 when it is no HTTP/1.x.
int http_status(std::string_view head);

}  // namespace culvert::lab
