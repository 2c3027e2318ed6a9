#include "bench/call.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bench/http.hpp"

namespace culvert::bench {

bool Call::begin(int fd, std::uint64_t size, std::uint64_t stream, bool close, Failures& failures) {
  if (size != size_ || head_.empty()) head_ = answer_head(size);
  size_ = size;
  head_got_ = 0;
  close_ = close;
  body_ = PatternCheck(stream, every_byte_);
  const std::string request = get_request(size, stream, close);
  const ssize_t n = ::send(fd, request.data(), request.size(), 0);
  if (n == static_cast<ssize_t>(request.size())) return true;
  failures.add("request", n < 0 ? errno : EAGAIN);
  return false;
}

Call::State Call::advance(int fd, Failures& failures) {
  static std::array<char, kSpanBytes> buffer;  // one thread: what is read is compared at once
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) return State::kMore;
  const bool whole = head_got_ == head_.size() && body_.bytes() == size_;
  if (n == 0 && close_ && whole) return State::kDone;
  if (n <= 0) {
    failures.add("answer", n < 0 ? errno : 0);
    return State::kFailed;
  }
  return take({buffer.data(), static_cast<std::size_t>(n)}, failures);
}

Call::State Call::take(std::string_view got, Failures& failures) {
  const std::size_t of_head = std::min<std::uint64_t>(head_.size() - head_got_, got.size());
  bool right = std::string_view(head_).substr(head_got_, of_head) == got.substr(0, of_head);
  head_got_ += of_head;
  got.remove_prefix(of_head);
  right = right && (got.empty() || body_.take(got)) && body_.bytes() <= size_;
  if (!right) {
    failures.wrong("answer");
    return State::kFailed;
  }
  const bool whole = head_got_ == head_.size() && body_.bytes() == size_;
  return whole && !close_ ? State::kDone : State::kMore;
}

}  // namespace culvert::bench
