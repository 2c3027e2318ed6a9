#include "lab/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace culvert::lab {
namespace {

Outcome<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.size() >= sizeof out.sun_path)
    return problem(fmt::format("the socket path {} is too long (unix(7))", path),
                   "use a shorter lab or node name");
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

Outcome<UniqueFd> connect_unix(const std::string& path, std::chrono::milliseconds timeout) {
  auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return system_problem("open a socket", errno);
  const timeval limit{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return system_problem("connect to " + path, errno);
  return fd;
}

}  // namespace

Outcome<UniqueFd> listen_unix(const std::string& path) {
  auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(path.c_str());
  if (!fd.valid() ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0)
    return system_problem("listen on " + path, errno);
  return fd;
}

Outcome<std::string> exchange(const std::string& path, const std::string& request,
                              std::chrono::milliseconds timeout, bool half_close) {
  auto fd = connect_unix(path, timeout);
  if (!fd) return std::unexpected(fd.error());
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t n =
        ::send(fd->get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_problem("send to " + path, errno);
    sent += static_cast<std::size_t>(n);
  }
  if (half_close) ::shutdown(fd->get(), SHUT_WR);
  std::string out;
  char buffer[16 << 10];
  while (true) {
    const ssize_t n = ::recv(fd->get(), buffer, sizeof buffer, 0);
    if (n == 0) return out;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN)
      return problem(fmt::format("no answer from {} within {} ms", path, timeout.count()));
    if (n < 0) return system_problem("receive from " + path, errno);
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > kAnswerBytesMax) return problem("the answer from " + path + " is too long");
  }
}

Outcome<HttpAnswer> parse_http_answer(const std::string& text) {
  HttpAnswer out;
  const std::size_t status = text.find(' ');
  const std::size_t end = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || status == std::string::npos || end == std::string::npos ||
      std::from_chars(text.data() + status + 1, text.data() + text.size(), out.status).ec !=
          std::errc{})
    return problem("the answer is not HTTP");
  out.body = text.substr(end + 4);
  return out;
}

Outcome<HttpAnswer> http_request(const std::string& path, const std::string& method,
                                 const std::string& target, const std::string& body,
                                 std::chrono::milliseconds timeout) {
  const std::string request = fmt::format(
      "{} {} HTTP/1.0\r\nHost: culvert\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      method, target, body.size(), body);
  auto text = exchange(path, request, timeout, false);
  if (!text) return std::unexpected(text.error());
  return parse_http_answer(*text);
}

}  // namespace culvert::lab
