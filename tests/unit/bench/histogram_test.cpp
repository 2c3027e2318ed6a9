// Percentiles are those of the values, within a bucket's width.
#include "bench/histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using culvert::bench::Histogram;

TEST_CASE("percentiles of random durations differ from the sorted values' by at most 1.6 percent") {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> durations(11, 2);  // around 60 us, up to seconds
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(durations(random)));
    histogram.add(values.back());
  }
  std::ranges::sort(values);
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    CAPTURE(share);
    const auto rank = static_cast<std::size_t>(std::ceil(share * 100'000)) - 1;
    const auto exact = static_cast<double>(values[rank]);
    const auto got = static_cast<double>(histogram.percentile(share));
    CHECK(got >= exact);
    CHECK(got <= exact * (1 + 1.0 / 64) + 1);
  }
  CHECK(histogram.max() == values.back());
  CHECK(histogram.count() == values.size());
}

TEST_CASE("small, huge and no values") {
  Histogram histogram;
  CHECK(histogram.percentile(0.5) == 0);
  for (const std::uint64_t value : {0ULL, 1ULL, 63ULL, 64ULL, 127ULL, 128ULL}) histogram.add(value);
  CHECK(histogram.percentile(0.5) == 63);
  CHECK(histogram.percentile(0.01) == 0);
  CHECK(histogram.percentile(1) == 128);
  histogram.add(UINT64_MAX);
  CHECK(histogram.percentile(1) == UINT64_MAX);
}
