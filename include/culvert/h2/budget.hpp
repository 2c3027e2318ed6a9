// Budget: the bytes that HTTP/2 streams may hold together: all of a process, and of those the part
// of one pod. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace culvert::h2 {

/// A part may always hold so much, whatever the others hold.
inline constexpr std::size_t kMinPartBytes = 1U << 20;

/// Beyond the limit no flow-control window is credited and writers keep only a small buffer a
/// stream; beyond twice the limit a stream that receives more is reset (ENHANCE_YOUR_CALM).
///
/// A part of a budget has no limit of its own: it may hold as much as the whole has left (as
/// ztunnel's DescriptorShare does). Alone it gets half of the whole before it is throttled, and
/// the whole before its streams are reset; who holds little is never made to pay for who holds
/// much. Outlives its users.
class Budget {
 public:
  explicit Budget(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  /// A part of `whole`, which outlives it.
  explicit Budget(Budget* whole) : limit_bytes_(whole->limit_bytes_), whole_(whole) {}

  void take(std::size_t bytes) {
    used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (whole_ != nullptr) whole_->take(bytes);
  }
  void give_back(std::size_t bytes) {
    used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    if (whole_ != nullptr) whole_->give_back(bytes);
  }
  std::size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  bool exceeded() const { return beyond(limit_bytes_); }
  bool exhausted() const { return beyond(2 * limit_bytes_); }

 private:
  bool beyond(std::size_t limit) const {
    if (whole_ == nullptr) return used_bytes() > limit;
    const std::size_t all = whole_->used_bytes();
    return used_bytes() > std::max(kMinPartBytes, limit > all ? limit - all : 0);
  }

  const std::size_t limit_bytes_;
  Budget* const whole_ = nullptr;
  std::atomic<std::size_t> used_bytes_{0};
};

}  // namespace culvert::h2
