// Budget: the bytes that all HTTP/2 streams of a process may hold together. Any thread.
#pragma once

#include <atomic>
#include <cstddef>

namespace culvert::h2 {

/// Beyond the limit no flow-control window is credited and writers keep only a small buffer a
/// stream; beyond twice the limit a stream that receives more is reset (ENHANCE_YOUR_CALM).
/// Outlives its users.
class Budget {
 public:
  explicit Budget(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void take(std::size_t bytes) { used_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::size_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  bool exceeded() const { return used_bytes() > limit_bytes_; }
  bool exhausted() const { return used_bytes() > 2 * limit_bytes_; }

 private:
  const std::size_t limit_bytes_;
  std::atomic<std::size_t> used_bytes_{0};
};

}  // namespace culvert::h2
