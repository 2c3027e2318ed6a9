#include "bench/histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace culvert::bench {

std::size_t Histogram::bucket(std::uint64_t ns) {
  if (ns < (1ULL << kSubBits)) return ns;
  const unsigned shift = std::bit_width(ns) - kSubBits - 1;
  return (static_cast<std::size_t>(shift) << kSubBits) + (ns >> shift);
}

std::uint64_t Histogram::upper_end(std::size_t bucket) {
  if (bucket < (2ULL << kSubBits)) return bucket;
  const std::size_t shift = (bucket >> kSubBits) - 1;
  const std::uint64_t lead = bucket - (shift << kSubBits);
  return ((lead + 1) << shift) - 1;
}

void Histogram::add(std::uint64_t ns) {
  ++counts_[bucket(ns)];
  ++count_;
  max_ = std::max(max_, ns);
}

std::uint64_t Histogram::percentile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(upper_end(i), max_);
  }
  return max_;
}

std::string Histogram::to_json() const {
  const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  return fmt::format(R"({{"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f}}})",
                     us(percentile(0.5)), us(percentile(0.9)), us(percentile(0.99)),
                     us(percentile(0.999)), us(max_));
}

}  // namespace culvert::bench
