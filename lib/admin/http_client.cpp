#include "culvert/admin/http_client.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <optional>

#include "culvert/base/unix_socket.hpp"
#include "deadline_socket.hpp"

namespace culvert::admin {
namespace {

// The value of a header in a head such as "HTTP/1.1 200 OK\r\nContent-Type: x\r\n".
std::optional<std::string_view> header(std::string_view head, std::string_view name) {
  while (true) {
    const auto end = head.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    head.remove_prefix(end + 2);
    std::string_view line = head.substr(0, head.find("\r\n"));
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    const auto same = [](unsigned char a, unsigned char b) {
      return std::tolower(a) == std::tolower(b);
    };
    if (!std::equal(name.begin(), name.end(), line.begin(), same)) continue;
    line.remove_prefix(name.size() + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    return line;
  }
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<Response> parse(std::string_view bytes) {
  const auto head_end = bytes.find("\r\n\r\n");
  if (head_end == std::string_view::npos || !bytes.starts_with("HTTP/1.1 ") || head_end < 12) {
    return fail(ErrorCode::kProtocol, "read the admin answer");
  }
  const std::string_view head = bytes.substr(0, head_end + 2);
  const std::string_view body = bytes.substr(head_end + 4);
  const auto status = number<int>(head.substr(9, 3));
  const auto length = header(head, "content-length");
  const auto size = length ? number<std::size_t>(*length) : body.size();
  if (!status || !size || *size > body.size())
    return fail(ErrorCode::kProtocol, "read the admin answer");
  return Response{.status = *status,
                  .body = std::string(body.substr(0, *size)),
                  .content_type = std::string(header(head, "content-type").value_or(""))};
}

// SO_SNDTIMEO bounds connect(2) too (socket(7)).
Result<UniqueFd> connect_tcp(const SocketAddress& server, std::chrono::milliseconds timeout) {
  UniqueFd fd(::socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "create the admin connection");
  const timeval limit{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_storage address{};
  const socklen_t length = server.to_sockaddr(address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    const int why = errno == EINPROGRESS ? ETIMEDOUT : errno;
    return fail_errno(why, "connect to the admin address");
  }
  return fd;
}

Result<Response> exchange(int fd, std::string_view method, std::string_view target,
                          std::string_view body, Clock::time_point deadline) {
  DeadlineSocket socket(fd, deadline);
  const std::string request = fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      method, target, body.size(), body);
  // A server that refuses early (413) answers before it has read all: its answer counts.
  const auto sent = socket.write(request.data(), request.size());
  std::string answer;
  std::array<char, 16384> chunk{};
  while (true) {
    const auto n = socket.read(chunk.data(), chunk.size());
    if (!n && answer.empty()) return std::unexpected(sent ? n.error() : sent.error());
    if (!n || *n == 0) break;
    answer.append(chunk.data(), *n);
    if (answer.size() > kMaxResponseBytes) return fail(ErrorCode::kLimit, "read the admin answer");
  }
  return parse(answer);
}

}  // namespace

Result<Response> call(const std::string& socket_path, std::string_view method,
                      std::string_view target, std::string_view body,
                      std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  const auto fd = connect_unix(socket_path, SOCK_STREAM);
  if (!fd) return std::unexpected(fd.error());
  return exchange(fd->get(), method, target, body, deadline);
}

Result<Response> call(const SocketAddress& server, std::string_view method, std::string_view target,
                      std::string_view body, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  const auto fd = connect_tcp(server, timeout);
  if (!fd) return std::unexpected(fd.error());
  return exchange(fd->get(), method, target, body, deadline);
}

}  // namespace culvert::admin
