#include "profile_samples.hpp"

#include <bit>

namespace culvert::telemetry {

// Not instrumented: it reads frames that are not its own.
[[clang::no_sanitize("address")]] std::uint32_t follow_frames(std::span<const MemoryRange> stacks,
                                                              std::uintptr_t pc,
                                                              std::uintptr_t frame,
                                                              std::uintptr_t stack,
                                                              std::span<std::uintptr_t> out) {
  out[0] = pc;
  std::uint32_t depth = 1;
  std::uintptr_t end = 0;
  for (const auto& range : stacks) {
    if (stack >= range.begin && stack < range.end) end = range.end;
  }
  // A frame begins with its caller's frame pointer and the address to return to. A function
  // without frames leaves anything in the register: what does not lie further up is none.
  std::uintptr_t below = stack;
  constexpr std::uintptr_t kFrameBytes = 2 * sizeof(std::uintptr_t);
  while (depth < out.size() && frame >= below && frame % sizeof(std::uintptr_t) == 0 &&
         end >= kFrameBytes && frame <= end - kFrameBytes) {
    const auto* words = std::bit_cast<const std::uintptr_t*>(frame);
    if (words[1] == 0) break;
    out[depth++] = words[1] - 1;  // in the call, not behind it
    below = frame + kFrameBytes;
    frame = words[0];
  }
  return depth;
}

void ProfileSamples::take(std::uint32_t thread, std::uintptr_t pc, std::uintptr_t frame,
                          std::uintptr_t stack) {
  const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
  if (index >= kMaxProfileSamples) return;
  StackSample& sample = samples_[index];
  sample.thread = thread;
  const std::uint32_t depth = follow_frames(stacks_, pc, frame, stack, sample.frames);
  std::atomic_ref(sample.depth).store(depth, std::memory_order_release);
}

}  // namespace culvert::telemetry
