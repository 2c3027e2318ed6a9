// RateLimit: events in the current second against a bound. Loop thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "culvert/io/deadline.hpp"

namespace culvert::h2 {

class RateLimit {
 public:
  explicit RateLimit(std::uint32_t per_second) : per_second_(per_second) {}

  /// Counts one event; false when there were more than the bound in this second.
  bool take(io::Deadline now) {
    if (now - since_ >= std::chrono::seconds(1)) {
      since_ = now;
      count_ = 0;
    }
    return ++count_ <= per_second_;
  }

 private:
  const std::uint32_t per_second_;
  std::uint32_t count_ = 0;
  io::Deadline since_{};
};

}  // namespace culvert::h2
