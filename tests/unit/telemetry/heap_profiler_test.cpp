// Allocations are sampled by their bytes, kept until they are freed, and read back as pprof.
#include "culvert/telemetry/heap_profiler.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "../../../lib/telemetry/heap_samples.hpp"
#include "../../../lib/telemetry/pprof.hpp"

using namespace culvert;
using namespace culvert::telemetry;

namespace {

HeapSample sample_of(std::uint64_t bytes) {
  return {bytes, 1, {reinterpret_cast<std::uintptr_t>(&sample_of)}};
}

}  // namespace

TEST_CASE("what is freed is forgotten, what is not stays") {
  HeapSamples samples;
  for (std::uintptr_t at = 0x1000; at < 0x1000 + 64 * 100; at += 64)
    REQUIRE(samples.add(at, sample_of(at)));
  CHECK_FALSE(samples.remove(0x77));
  for (std::uintptr_t at = 0x1000; at < 0x1000 + 64 * 99; at += 64) REQUIRE(samples.remove(at));
  const auto left = samples.all();
  REQUIRE(left.size() == 1);
  CHECK(left[0].bytes == 0x1000 + 64 * 99);
  samples.clear();
  CHECK(samples.all().empty());
}

TEST_CASE("beyond its size the table keeps what it has, and counts the rest") {
  HeapSamples samples;
  std::size_t kept = 0;
  for (std::uintptr_t i = 1; i <= 2 * kMaxHeapSamples; ++i)
    kept += samples.add(i * 16, sample_of(1));
  CHECK(kept <= kMaxHeapSamples);
  CHECK(kept + samples.lost() == 2 * kMaxHeapSamples);
  CHECK(samples.all().size() == kept);
}

TEST_CASE("threads that allocate and free beside a reader leave nothing behind") {
  HeapSamples samples;
  std::vector<std::thread> threads;
  for (std::uintptr_t thread = 1; thread <= 4; ++thread) {
    threads.emplace_back([&samples, thread] {
      for (std::uintptr_t i = 0; i < 20'000; ++i) {
        const std::uintptr_t at = thread << 32U | i % 512 << 4U;
        const bool added = samples.add(at, sample_of(thread));
        if (added) REQUIRE(samples.remove(at));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    for (const auto& one : samples.all()) CHECK((one.bytes >= 1 && one.bytes <= 4));
  }
  for (auto& thread : threads) thread.join();
  CHECK(samples.all().empty());
}

TEST_CASE("samples, each by its weight, estimate the bytes that were allocated") {
  for (const std::uint64_t size : {64U, 4096U, 100'000U, 1U << 20U}) {
    CAPTURE(size);
    SampleClock clock;
    const std::uint64_t count = (512U << 20U) / size;  // 8,192 times what one sample stands for
    double estimated = 0;
    for (std::uint64_t i = 0; i < count; ++i)
      if (clock.due(size)) estimated += heap_sample_weight(size) * static_cast<double>(size);
    CHECK(std::abs(estimated / static_cast<double>(count * size) - 1) < 0.15);
  }
}

TEST_CASE("a profile names who allocated, and only while it is active") {
  CHECK_FALSE(HeapProfiler::profile());
  REQUIRE(HeapProfiler::activate());
  CHECK(HeapProfiler::profile());
  heap_allocated(nullptr, 1U << 30U);
  heap_freed(nullptr);
  HeapProfiler::deactivate();
  CHECK(HeapProfiler::profile().error().code == ErrorCode::kInvalid);
  const auto raw =
      write_heap_pprof({sample_of(1U << 20U), sample_of(1U << 20U)}, 3, read_mappings());
  for (const char* word : {"inuse_space", "bytes", "sample_of", "3 samples did not fit"})
    CHECK_MESSAGE(raw.find(word) != std::string::npos, word);
}
