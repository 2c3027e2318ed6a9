#include "bench/call.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bench/http.hpp"

namespace culvert::bench {

bool Call::begin(int fd, const Target& target, std::uint64_t size, std::uint64_t stream, bool close,
                 Failures& failures) {
  proxied_ = target.proxied;
  if (proxied_)
    head_.clear();
  else if (size != size_ || head_.empty())
    head_ = answer_head(size);
  size_ = size;
  head_got_ = 0;
  head_whole_ = false;
  close_ = close;
  body_ = PatternCheck(stream, every_byte_);
  const std::string request = get_request(target.authority, size, stream, close);
  const ssize_t n = ::send(fd, request.data(), request.size(), 0);
  if (n == static_cast<ssize_t>(request.size())) return true;
  failures.add("request", n < 0 ? errno : EAGAIN);
  return false;
}

Call::State Call::advance(int fd, Failures& failures) {
  static std::array<char, kSpanBytes> buffer;  // one thread: what is read is compared at once
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) return State::kMore;
  if (n == 0 && close_ && whole()) return State::kDone;
  if (n <= 0) {
    failures.add("answer", n < 0 ? errno : 0);
    return State::kFailed;
  }
  return take({buffer.data(), static_cast<std::size_t>(n)}, failures);
}

// Takes what `got` has of the head off its front; false when it is not the one that is wanted.
bool Call::take_head(std::string_view& got) {
  const std::size_t of_head = std::min<std::uint64_t>(head_.size() - head_got_, got.size());
  const bool right = std::string_view(head_).substr(head_got_, of_head) == got.substr(0, of_head);
  head_got_ += of_head;
  head_whole_ = head_got_ == head_.size();
  got.remove_prefix(of_head);
  return right;
}

bool Call::take_proxied_head(std::string_view& got) {
  const std::size_t before = head_.size();
  head_ += got.substr(0, kMaxHeadBytes - before);
  const std::size_t end = head_end(head_);
  if (end == std::string::npos) {
    got = {};
    return head_.size() < kMaxHeadBytes;
  }
  got.remove_prefix(end - before);
  head_.resize(end);
  head_whole_ = true;
  return is_answer_head(head_, size_);
}

Call::State Call::take(std::string_view got, Failures& failures) {
  bool right = head_whole_ || (proxied_ ? take_proxied_head(got) : take_head(got));
  right = right && (got.empty() || body_.take(got)) && body_.bytes() <= size_;
  if (!right) {
    failures.wrong("answer");
    return State::kFailed;
  }
  return whole() && !close_ ? State::kDone : State::kMore;
}

}  // namespace culvert::bench
