#include "lab/unix_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "culvert/base/unix_socket.hpp"

namespace culvert::lab {

Outcome<std::string> exchange(const std::string& path, const std::string& request,
                              std::chrono::milliseconds timeout) {
  auto fd = connect_unix(path, SOCK_STREAM);
  if (!fd) return problem(fmt::format("{}: {}", path, fd.error().to_string()));
  const timeval limit{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t n = ::send(fd->get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_problem("send to " + path, errno);
    sent += static_cast<std::size_t>(n);
  }
  ::shutdown(fd->get(), SHUT_WR);
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

}  // namespace culvert::lab
