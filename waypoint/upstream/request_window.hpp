// RequestWindow: how many requests began lately, for retry budgets that look further back than at
// those under way. Plain value; clocks are passed in, of which one may be behind another: each
// worker's stands still while its turn lasts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "culvert/l7/outlier.hpp"

namespace culvert::waypoint {

class RequestWindow {
 public:
  void count(l7::Time now, l7::Time interval) {
    advance(now, interval);
    ++began_[newest_ % kSlots];
  }
  /// Of about the last `interval` (> 0): up to an eighth of it more or less.
  std::uint32_t total(l7::Time now, l7::Time interval) {
    advance(now, interval);
    std::uint32_t sum = 0;
    for (const auto one : began_) sum += one;
    return sum;
  }

 private:
  static constexpr std::int64_t kSlots = 8;

  void advance(l7::Time now, l7::Time interval) {
    const auto slot = now.count() * kSlots / interval.count();
    if (slot - newest_ >= kSlots || newest_ - slot >= kSlots) {  // long ago, or another interval
      began_ = {};
      newest_ = slot;
    }
    while (newest_ < slot) began_[++newest_ % kSlots] = 0;
  }

  std::array<std::uint32_t, kSlots> began_{};
  std::int64_t newest_ = 0;
};

}  // namespace culvert::waypoint
