// Chance, passed in: a small generator whose whole state is one number, so that a seed repeats a
// run. Not for secrets. One a thread.
#pragma once

#include <cstdint>

namespace culvert::l7 {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  /// SplitMix64 (Steele, Lea, Flood 2014).
  std::uint64_t next() {
    auto z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  /// Evenly below `bound` (> 0, below 2^32): the upper half of a product, biased by less than
  /// 2^-32.
  std::uint32_t below(std::uint64_t bound) {
    return static_cast<std::uint32_t>(((next() >> 32U) * bound) >> 32U);
  }

 private:
  std::uint64_t state_;
};

/// A share of requests in millionths, which is how fine Envoy's is.
struct Share {
  std::uint32_t millionths = 0;
  /// Always draws, so that the draws that follow do not depend on the share.
  bool draw(Random& random) const { return random.below(1'000'000) < millionths; }
  bool operator==(const Share&) const = default;
};
inline constexpr Share kAlways{1'000'000};

}  // namespace culvert::l7
