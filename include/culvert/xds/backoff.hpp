// How long to wait before the next try: doubling, with jitter, between two bounds. Pure.
#pragma once

#include <algorithm>
#include <chrono>

namespace culvert::xds {

struct BackoffLimits {
  std::chrono::milliseconds first{10};
  std::chrono::milliseconds longest{15'000};  // Istio's ztunnel's own bounds
};
/// For a server on the same machine, whose restart is quick and harmless to ask for.
inline constexpr BackoffLimits kLocalBackoff{std::chrono::milliseconds(10),
                                             std::chrono::milliseconds(1000)};

class Backoff {
 public:
  explicit Backoff(BackoffLimits limits) : limits_(limits), step_(limits.first) {}

  /// `random` in [0, 1): the wait is between half of the step and the step.
  std::chrono::milliseconds next(double random) {
    const auto step = step_;
    step_ = std::min(step_ * 2, limits_.longest);
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(static_cast<double>(step.count()) * (1 + random) / 2));
  }
  void reset() { step_ = limits_.first; }

 private:
  BackoffLimits limits_;
  std::chrono::milliseconds step_;
};

}  // namespace culvert::xds
