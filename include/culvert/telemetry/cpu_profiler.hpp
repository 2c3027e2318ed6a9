// A sampling profiler of this process: every thread is interrupted each time it has used so much
// CPU time, and where it was is written down. Costs nothing while no profile is taken.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>

#include "culvert/base/error.hpp"

namespace culvert::telemetry {

inline constexpr std::chrono::seconds kMaxProfileTime{300};
inline constexpr int kMaxProfileHertz = 1000;
/// A profile keeps so many samples (6 MB); what comes beyond is counted and not kept.
inline constexpr std::size_t kMaxProfileSamples = 16'384;
/// Frames of a sample, innermost first; deeper stacks are cut.
inline constexpr std::size_t kMaxProfileDepth = 48;

class CpuProfiler {
 public:
  /// Waits for `duration` (1 s to kMaxProfileTime) and returns what was sampled meanwhile, `hertz`
  /// (1 to kMaxProfileHertz) samples a second of CPU time of each thread that existed at the
  /// beginning: gzip'd profile.proto, as `go tool pprof` reads it. Stacks are followed by frame
  /// pointers, which Culvert is built with and libraries may not be. Any thread. kLimit while
  /// another profile of this process is taken, kCancelled by stop(), kInvalid outside the bounds.
  Result<std::string> run(std::chrono::seconds duration, int hertz);
  /// Ends a run, and refuses those to come. Any thread.
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
};

}  // namespace culvert::telemetry
