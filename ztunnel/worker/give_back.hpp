// What a wave of connections, or of their ends, leaves goes back to the system once it is over. On
// the control loop's thread, which has the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "culvert/io/task.hpp"

namespace culvert::ztunnel {

class Worker;

inline constexpr auto kMemoryCheck = std::chrono::seconds(1);
/// A wave: so many connections that came or went. A megabyte or so is to be had.
inline constexpr std::uint64_t kWave = 256;
/// It is over when so many checks in a row saw few come or go: tunnels end behind their
/// connections.
inline constexpr int kCalmChecks = 5;
inline constexpr std::uint64_t kCalm = 32;

/// Tells when a wave is over. Values: `changes` is how many connections have come and gone, ever.
class WaveWatch {
 public:
  /// Whether it is over now: once a wave.
  bool look(std::uint64_t changes);

 private:
  std::uint64_t done_ = 0, before_ = 0;
  int calm_ = 0;
};

/// Until it is stopped. Has malloc() return its free pages, and drops those pages of code that only
/// the wave needed.
io::Task<> give_memory_back(const std::vector<std::unique_ptr<Worker>>* workers);

}  // namespace culvert::ztunnel
