#include "deadline_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace culvert::admin {

Result<void> DeadlineSocket::wait(short events) const {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    if (left <= 0) return fail(ErrorCode::kTimeout, "wait for the admin connection");
    pollfd poll_fd{fd_, events, 0};
    const int n = ::poll(&poll_fd, 1, static_cast<int>(std::min<long long>(left, INT_MAX)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail_errno(errno, "poll the admin connection");
  }
}

Result<std::size_t> DeadlineSocket::read(char* into, std::size_t size) {
  while (true) {
    const ssize_t n = ::recv(fd_, into, size, MSG_DONTWAIT);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno(errno, "read from the admin connection");
    if (auto ready = wait(POLLIN); !ready) return std::unexpected(ready.error());
  }
}

Result<void> DeadlineSocket::write(const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(fd_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      bytes += n;
      size -= static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno(errno, "write to the admin connection");
    if (auto ready = wait(POLLOUT); !ready) return ready;
  }
  return {};
}

}  // namespace culvert::admin
