#include "lab/tcp_probe.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <charconv>

#include "culvert/base/fd.hpp"

namespace culvert::lab {
namespace {

// SO_SNDTIMEO bounds connect(2) too (socket(7)).
UniqueFd connect_tcp(const SocketAddress& to, std::chrono::milliseconds timeout) {
  UniqueFd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_storage address{};
  const socklen_t length = to.to_sockaddr(address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) fd.reset();
  return fd;
}

}  // namespace

int http_status(std::string_view head) {
  const std::size_t blank = head.find(' ');
  int status = 0;
  if (!head.starts_with("HTTP/1.") || blank == std::string_view::npos) return 0;
  std::from_chars(head.data() + blank + 1, head.data() + head.size(), status);
  return status;
}

bool tcp_connects(const SocketAddress& to, std::chrono::milliseconds timeout) {
  return connect_tcp(to, timeout).valid();
}

int http_get(const SocketAddress& to, const std::string& path, const Headers& headers,
             std::chrono::milliseconds timeout) {
  const UniqueFd fd = connect_tcp(to, timeout);
  if (!fd.valid()) return 0;
  std::string request = fmt::format("GET {} HTTP/1.1\r\nConnection: close\r\n", path);
  bool has_host = false;
  for (const auto& [name, value] : headers) {
    request += fmt::format("{}: {}\r\n", name, value);
    has_host = has_host || name == "Host" || name == "host";
  }
  if (!has_host) request += fmt::format("Host: {}\r\n", to.to_string());
  request += "User-Agent: kube-probe/1.30\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return 0;
  std::string head;
  char buffer[4096];
  constexpr std::size_t kHeadBytesMax = 64U << 10;
  while (head.find("\r\n\r\n") == std::string::npos && head.size() < kHeadBytesMax) {
    const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) break;
    head.append(buffer, static_cast<std::size_t>(n));
  }
  return http_status(head);
}

}  // namespace culvert::lab
