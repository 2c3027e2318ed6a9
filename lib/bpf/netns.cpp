// Network namespace cookies. A thread's namespace is its own, so each entry is made on a new
// thread.
#include "culvert/bpf/netns.hpp"

#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cerrno>
#include <thread>

#include "culvert/base/fd.hpp"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71  // kernel 5.14
#endif

namespace culvert::bpf {
namespace {

Result<std::uint64_t> socket_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
    return fail_errno(errno, "read the netns cookie");
  return cookie;
}

}  // namespace

Result<void> in_netns(int netns_fd, const std::function<Result<void>()>& work) {
  Result<void> result;
  std::thread([&] {
    if (setns(netns_fd, CLONE_NEWNET) != 0) {
      result = fail_errno(errno, "enter a network namespace");
      return;
    }
    result = work();
  }).join();
  return result;
}

Result<std::uint64_t> netns_cookie(int netns_or_socket_fd) {
  struct stat st{};
  if (fstat(netns_or_socket_fd, &st) != 0) return fail_errno(errno, "read the netns cookie");
  if (S_ISSOCK(st.st_mode)) return socket_cookie(netns_or_socket_fd);
  Result<std::uint64_t> cookie;
  auto entered = in_netns(netns_or_socket_fd, [&]() -> Result<void> {
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fail_errno(errno, "open a socket in the network namespace");
    cookie = socket_cookie(fd.get());
    return {};
  });
  if (!entered) return std::unexpected(entered.error());
  return cookie;
}

}  // namespace culvert::bpf
