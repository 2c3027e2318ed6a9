// The one source of chance of a simulation: equal seeds give equal runs.
#pragma once

#include <chrono>
#include <cstdint>

namespace culvert::sim {

/// splitmix64 (Steele, Lea, Flood 2014).
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 .. bound - 1; 0 for a bound of 0.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  /// Both ends included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  /// Small values far more often than large ones: a power of two first, then a value below it.
  std::uint64_t skewed(std::uint64_t most) {
    unsigned bits = 0;
    while ((most >> bits) != 0) ++bits;
    return below((std::uint64_t{1} << below(bits + 1)) + 1) % (most + 1);
  }
  bool chance(unsigned per_mille) { return below(1000) < per_mille; }
  std::chrono::nanoseconds up_to(std::chrono::nanoseconds most) {
    return std::chrono::nanoseconds(below(static_cast<std::uint64_t>(most.count()) + 1));
  }

 private:
  std::uint64_t state_;
};

}  // namespace culvert::sim
