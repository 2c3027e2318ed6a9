// The listening socket of an admin server: made, and taken away again.
#pragma once

#include <cstdint>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::admin {

struct Listener {
  UniqueFd fd;             // non-blocking
  std::string unix_path;   // empty for TCP
  std::uint16_t port = 0;  // 0 for Unix
};

Result<Listener> listen_on_unix(const std::string& path);
/// A Unix socket that listens already, and whose file stays.
Result<Listener> taken_over(UniqueFd fd);
Result<Listener> listen_on_address(const SocketAddress& address);

}  // namespace culvert::admin
