// Listening Unix sockets that are safe from their first instant: the file appears with its mode
// set, and replaces what a dead process left there.
#pragma once

#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"

namespace culvert {

/// Binds and listens at `path` (at most 107 bytes, unix(7)) with mode 0600. `type` is SOCK_STREAM
/// or SOCK_SEQPACKET. The socket is close-on-exec and blocking. A stale socket file is replaced;
/// kInvalid when a process still listens there after a second, or when something else than a socket
/// has the name.
Result<UniqueFd> listen_unix(const std::string& path, int type, int backlog);

/// Connects, blocking; close-on-exec. kNotFound or kRefused when nobody listens.
Result<UniqueFd> connect_unix(const std::string& path, int type);

}  // namespace culvert
