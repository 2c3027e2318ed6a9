#include "waypoint/entry/listeners.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "culvert/proxy/sockets.hpp"

namespace culvert::waypoint {
namespace {

// What is set here is inherited by what it accepts, without a call for each.
Result<UniqueFd> listen_on(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "open a listener");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  proxy::send_at_once(fd.get());
  proxy::keep_alive(fd.get());
  sockaddr_storage raw{};
  const socklen_t size = address.to_sockaddr(raw);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&raw), size) != 0) {
    return fail_errno(errno, "bind a listener");
  }
  if (::listen(fd.get(), kListenBacklog) != 0) return fail_errno(errno, "listen");
  return fd;
}

}  // namespace

Result<std::vector<Listener>> open_listeners(const Settings& settings, std::uint16_t port,
                                             Listener::Kind kind) {
  std::vector<Listener> out;
  for (const auto& ip : settings.pod_ips) {
    auto fd = listen_on({ip, port});
    if (!fd) return std::unexpected(fd.error());
    out.push_back({std::move(*fd), kind});
  }
  return out;
}

}  // namespace culvert::waypoint
