#include "listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "culvert/admin/http_server.hpp"
#include "culvert/base/unix_socket.hpp"

namespace culvert::admin {

Result<Listener> taken_over(UniqueFd fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0)
    return fail_errno(errno, "set the admin socket's flags");
  return Listener{std::move(fd), "", 0};
}

Result<Listener> listen_on_unix(const std::string& path) {
  auto fd = listen_unix(path, SOCK_STREAM, kListenBacklog);
  if (!fd) return std::unexpected(fd.error());
  auto listener = taken_over(std::move(*fd));
  if (listener) listener->unix_path = path;
  return listener;
}

Result<Listener> listen_on_address(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno(errno, "create the admin socket");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6 && address.ip.is_unspecified()) {
    const int off = 0;
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  sockaddr_storage storage{};
  socklen_t size = address.to_sockaddr(storage);
  auto* raw = reinterpret_cast<sockaddr*>(&storage);
  if (::bind(fd.get(), raw, size) != 0) return fail_errno(errno, "bind the admin socket");
  if (::listen(fd.get(), kListenBacklog) != 0)
    return fail_errno(errno, "listen on the admin socket");
  size = sizeof storage;
  if (::getsockname(fd.get(), raw, &size) != 0)
    return fail_errno(errno, "read the admin socket's port");
  const auto bound = SocketAddress::from_sockaddr(raw);
  return Listener{std::move(fd), "", bound ? bound->port : std::uint16_t{0}};
}

}  // namespace culvert::admin
