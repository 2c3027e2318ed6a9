// What a wave of connections, or of their ends, leaves goes back to the system once it is over. On
// the control loop's thread, which has the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "culvert/h2/budget.hpp"
#include "culvert/io/task.hpp"

namespace culvert::proxy {

inline constexpr auto kMemoryCheck = std::chrono::seconds(1);
/// A wave: so many connections that came or went. A megabyte or so is to be had.
inline constexpr std::uint64_t kWave = 256;
/// It is over when so many checks in a row saw few come or go: tunnels end behind their
/// connections.
inline constexpr int kCalmChecks = 5;
inline constexpr std::uint64_t kCalm = 32;
/// Bytes that were waiting in streams and have gone count as a connection each.
inline constexpr std::size_t kBytesAsOne = 4U << 10;

/// Tells when a wave is over. Values: `changes` is how many connections have come and gone, ever.
class WaveWatch {
 public:
  /// Whether it is over now: once a wave.
  bool look(std::uint64_t changes);

 private:
  std::uint64_t done_ = 0, before_ = 0;
  int calm_ = 0;
};

/// What left the streams of a budget, from one look to the next, in connections.
class BytesWatch {
 public:
  explicit BytesWatch(const h2::Budget& budget) : budget_(budget) {}
  /// Ever; looked at once a check.
  std::uint64_t changes();

 private:
  const h2::Budget& budget_;
  std::size_t before_ = 0;
  std::uint64_t gone_bytes_ = 0;
};

/// Until it is stopped. Has malloc() return its free pages, and drops those pages of code that only
/// the wave needed. `changes`: WaveWatch's. Both outlive it.
io::Task<> give_memory_back(std::function<std::uint64_t()> changes, const h2::Budget* budget);

}  // namespace culvert::proxy
