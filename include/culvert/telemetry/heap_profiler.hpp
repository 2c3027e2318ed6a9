// A sampling profiler of this process's heap: of every kHeapSampleBytes that are allocated about
// one allocation is written down with its stack, and forgotten when it is freed. While it is off an
// allocation costs one load more. The program's own malloc() tells of them
// (ztunnel/heap_hooks.cpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "culvert/base/error.hpp"

namespace culvert::telemetry {

inline constexpr std::size_t kHeapSampleBytes = 64U << 10;
/// Allocations that are held; 4 MiB. What finds no place is counted and not kept.
inline constexpr std::size_t kMaxHeapSamples = 16'384;
/// Frames of a sample, innermost first; deeper stacks are cut.
inline constexpr std::size_t kMaxHeapDepth = 30;

/// Whether allocations are to be told. Any thread.
inline std::atomic<bool> g_heap_sampling{false};
inline bool heap_sampling() {
  return g_heap_sampling.load(std::memory_order_relaxed);
}
/// What was allocated; called by malloc() or its like, whose caller is the innermost frame of the
/// sample. Allocates nothing; any thread.
void heap_allocated(const void* at, std::size_t bytes);
/// Before it is freed; any thread.
void heap_freed(const void* at);

/// The process's. Any thread.
class HeapProfiler {
 public:
  /// From now on; what was allocated before is not known. Again: begins anew.
  static Result<void> activate();
  /// What is known is kept, until the next activate(), and what is freed meanwhile is not noticed.
  static void deactivate() { g_heap_sampling.store(false); }
  /// What was allocated since activate() and is there still, estimated from the samples: gzip'd
  /// profile.proto, as `go tool pprof` reads it (inuse_objects, inuse_space). kInvalid when it is
  /// not active.
  static Result<std::string> profile();
};

}  // namespace culvert::telemetry
