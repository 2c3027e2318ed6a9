// Durations counted in buckets of at most 1.6 % width, for percentiles of millions of them.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace culvert::bench {

class Histogram {
 public:
  void add(std::uint64_t ns);
  std::uint64_t count() const { return count_; }
  /// The value that `share` (0..1) of all do not exceed, at its bucket's upper end; 0 when empty.
  std::uint64_t percentile(double share) const;
  std::uint64_t max() const { return max_; }
  /// {"p50":..,"p90":..,"p99":..,"p999":..,"max":..} in microseconds.
  std::string to_json() const;

 private:
  static constexpr unsigned kSubBits = 6;  // 64 buckets for each power of two
  static constexpr std::size_t kBuckets = (64 - kSubBits + 1) << kSubBits;
  static std::size_t bucket(std::uint64_t ns);
  static std::uint64_t upper_end(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace culvert::bench
