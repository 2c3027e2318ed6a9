// Sampled allocations by their address: a table of fixed size that threads fill and clear without a
// lock and without allocating. Private to lib/telemetry.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "culvert/telemetry/heap_profiler.hpp"
#include "profile_samples.hpp"

namespace culvert::telemetry {

struct HeapSample {
  std::uint64_t bytes = 0;
  std::uint32_t depth = 0;
  std::array<std::uintptr_t, kMaxHeapDepth> frames{};
};

class HeapSamples {
 public:
  HeapSamples() : slots_(new Slot[kMaxHeapSamples]) {}

  /// `at` is not in the table. False: there was no place for it.
  bool add(std::uintptr_t at, const HeapSample& sample);
  /// Whether it was there.
  bool remove(std::uintptr_t at);
  void clear();
  /// Those that are there now; one that comes or goes meanwhile may be missing.
  std::vector<HeapSample> all() const;
  std::size_t lost() const { return lost_.load(); }

 private:
  // An address is looked for in so many places, so that a free costs no more than that.
  static constexpr std::size_t kProbes = 8;
  static constexpr std::uintptr_t kFilling = 1;
  struct Slot {
    std::atomic<std::uintptr_t> at{0};  // 0: free; kFilling: being filled; else the address
    std::atomic<std::uint32_t> uses{0};
    // The sample: read while it may be filled anew, so each word is atomic; all() then asks `at`
    // and `uses` whether the words belong together.
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint32_t> depth{0};
    std::array<std::atomic<std::uintptr_t>, kMaxHeapDepth> frames{};

    void put(const HeapSample& sample);
    HeapSample get() const;
  };
  Slot& slot(std::uintptr_t at, std::size_t probe) const;

  const std::unique_ptr<Slot[]> slots_;
  std::atomic<std::size_t> lost_{0};
};

/// Decides which allocations are sampled: each byte with the same chance, one of kHeapSampleBytes.
/// One a thread.
class SampleClock {
 public:
  /// Whether an allocation of so many bytes is the one. The first call only winds it.
  bool due(std::size_t bytes);

 private:
  std::int64_t left_ = 0;
  std::uint64_t random_ = 0;
};

/// How many allocations of this size one sample stands for.
double heap_sample_weight(std::uint64_t bytes);

}  // namespace culvert::telemetry
