// What a profile's interrupts write down: a buffer of fixed size that signal handlers fill without
// a lock. Private to lib/telemetry.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "culvert/telemetry/cpu_profiler.hpp"

namespace culvert::telemetry {

struct StackSample {
  std::uint32_t thread = 0;  // its kernel id
  std::uint32_t depth = 0;   // 0 until it is whole
  std::array<std::uintptr_t, kMaxProfileDepth> frames{};
};

/// Part of the address space that a stack may be in.
struct MemoryRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// The stack of a thread that is at `pc` with these frame and stack pointers, innermost first; how
/// many frames were found, at least 1. Follows the frames as long as they lie further up in the
/// same of the `stacks`; never reads outside of them.
std::uint32_t follow_frames(std::span<const MemoryRange> stacks, std::uintptr_t pc,
                            std::uintptr_t frame, std::uintptr_t stack,
                            std::span<std::uintptr_t> out);

class ProfileSamples {
 public:
  /// `stacks`: the writable parts of the address space, in order.
  explicit ProfileSamples(std::vector<MemoryRange> stacks)
      : stacks_(std::move(stacks)), samples_(new StackSample[kMaxProfileSamples]) {}

  /// In a signal handler: the thread was at `pc`, its frame and stack pointers were these.
  void take(std::uint32_t thread, std::uintptr_t pc, std::uintptr_t frame, std::uintptr_t stack);

  std::size_t size() const { return std::min(next_.load(), kMaxProfileSamples); }
  std::size_t lost() const { return next_.load() - size(); }
  const StackSample& operator[](std::size_t index) const { return samples_[index]; }

 private:
  const std::vector<MemoryRange> stacks_;
  const std::unique_ptr<StackSample[]> samples_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace culvert::telemetry
