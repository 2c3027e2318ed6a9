// Network namespaces: their cookie, and running a function inside one.
#pragma once

#include <cstdint>
#include <functional>

#include "culvert/base/error.hpp"

namespace culvert::bpf {

/// The cookie of a socket's network namespace, or of the namespace that `netns_or_socket_fd` is
/// (/run/netns/NAME, /proc/PID/ns/net). SO_NETNS_COOKIE, kernel 5.14. Unique until reboot, unlike
/// the inode number. A namespace needs CAP_SYS_ADMIN (it is entered on a thread of its own).
Result<std::uint64_t> netns_cookie(int netns_or_socket_fd);

/// Runs `work` on a fresh thread that has entered the namespace, and waits for it. The caller's
/// thread stays where it is; sockets that `work` makes belong to the namespace.
Result<void> in_netns(int netns_fd, const std::function<Result<void>()>& work);

}  // namespace culvert::bpf
