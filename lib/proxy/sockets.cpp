#include "culvert/proxy/sockets.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace culvert::proxy {
namespace {

constexpr int kKeepAliveSeconds = 180;
constexpr int kKeepAliveProbes = 9;

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

void send_at_once(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void keep_alive(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

void reset_on_close(int fd) {
  const linger hard{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

bool ended_by_reset(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  if (info.tcpi_state != TCP_CLOSE) return false;
  int error = 0;
  size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != EPIPE;
}

Result<SocketAddress> local_address(int fd) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &size) != 0) {
    return fail_errno(errno, "read the local address");
  }
  const auto address = SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&raw));
  if (!address) return fail(ErrorCode::kInvalid, "read the local address");
  return *address;
}

}  // namespace culvert::proxy
