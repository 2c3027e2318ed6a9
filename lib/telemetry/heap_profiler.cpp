// From an allocation to a sample, and from the samples to a profile.
#include "culvert/telemetry/heap_profiler.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "culvert/base/gzip.hpp"
#include "heap_samples.hpp"
#include "pprof.hpp"

namespace culvert::telemetry {
namespace {

struct Taken {
  explicit Taken(std::vector<MemoryRange> ranges) : stacks(std::move(ranges)) {}
  const std::vector<MemoryRange> stacks;
  HeapSamples samples;
};

std::mutex g_changes;  // of activate() and profile(), never of an allocation
// Made by the first activate() and never freed: an allocation may be looking at it. Threads that
// were made since have stacks that it does not know, and samples of one frame.
std::atomic<Taken*> g_heap{nullptr};
thread_local SampleClock t_clock;

}  // namespace

HeapSamples::Slot& HeapSamples::slot(std::uintptr_t at, std::size_t probe) const {
  constexpr std::uint64_t kMix = 0x9E3779B97F4A7C15ULL;  // 2^64 by the golden ratio
  const std::uint64_t hash = (static_cast<std::uint64_t>(at) * kMix) >> 40U;
  return slots_[(hash + probe) % kMaxHeapSamples];
}

void HeapSamples::Slot::put(const HeapSample& sample) {
  bytes.store(sample.bytes, std::memory_order_relaxed);
  depth.store(sample.depth, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < sample.depth; ++i)
    frames[i].store(sample.frames[i], std::memory_order_relaxed);
}

HeapSample HeapSamples::Slot::get() const {
  HeapSample out;
  out.bytes = bytes.load(std::memory_order_relaxed);
  out.depth = depth.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < out.depth; ++i)
    out.frames[i] = frames[i].load(std::memory_order_relaxed);
  return out;
}

bool HeapSamples::add(std::uintptr_t at, const HeapSample& sample) {
  for (std::size_t probe = 0; probe < kProbes; ++probe) {
    Slot& place = slot(at, probe);
    std::uintptr_t free = 0;
    if (!place.at.compare_exchange_strong(free, kFilling, std::memory_order_acquire)) continue;
    place.uses.fetch_add(1, std::memory_order_relaxed);
    // Who sees a word of this sample sees, behind a fence of its own, that the place was used anew.
    std::atomic_thread_fence(std::memory_order_release);
    place.put(sample);
    place.at.store(at, std::memory_order_release);
    return true;
  }
  lost_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool HeapSamples::remove(std::uintptr_t at) {
  for (std::size_t probe = 0; probe < kProbes; ++probe) {
    Slot& place = slot(at, probe);
    if (place.at.load(std::memory_order_relaxed) != at) continue;
    place.at.store(0, std::memory_order_release);
    return true;
  }
  return false;
}

void HeapSamples::clear() {
  for (std::size_t i = 0; i < kMaxHeapSamples; ++i) {
    auto at = slots_[i].at.load();
    if (at != kFilling) slots_[i].at.compare_exchange_strong(at, 0);
  }
  lost_ = 0;
}

std::vector<HeapSample> HeapSamples::all() const {
  std::vector<HeapSample> out;
  for (std::size_t i = 0; i < kMaxHeapSamples; ++i) {
    const Slot& place = slots_[i];
    const auto at = place.at.load(std::memory_order_acquire);
    const auto use = place.uses.load(std::memory_order_relaxed);
    if (at == 0 || at == kFilling) continue;
    const HeapSample copy = place.get();
    std::atomic_thread_fence(std::memory_order_acquire);
    if (place.at.load() == at && place.uses.load() == use) out.push_back(copy);
  }
  return out;
}

bool SampleClock::due(std::size_t bytes) {
  left_ -= static_cast<std::int64_t>(bytes);
  if (left_ > 0) return false;
  const bool wound = random_ != 0;
  if (!wound) random_ = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this)) | 1U;
  random_ ^= random_ << 13U;  // xorshift64, Marsaglia 2003
  random_ ^= random_ >> 7U;
  random_ ^= random_ << 17U;
  constexpr double kUnit = 1.0 / 9007199254740992.0;                         // 2^-53
  const double uniform = (static_cast<double>(random_ >> 11U) + 1) * kUnit;  // (0, 1]
  left_ = 1 + static_cast<std::int64_t>(-std::log(uniform) * kHeapSampleBytes);
  return wound;
}

double heap_sample_weight(std::uint64_t bytes) {
  return bytes == 0 ? 1 : 1 / -std::expm1(-static_cast<double>(bytes) / kHeapSampleBytes);
}

void heap_allocated(const void* at, std::size_t bytes) {
  if (at == nullptr || !t_clock.due(bytes)) return;
  Taken* heap = g_heap.load(std::memory_order_acquire);
  if (heap == nullptr) return;
  HeapSample sample;
  sample.bytes = bytes;
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  // Its places in this function and in malloc() are left out.
  constexpr std::uint32_t kOwn = 2;
  std::array<std::uintptr_t, kMaxHeapDepth + kOwn> frames;
  const std::uint32_t depth = follow_frames(heap->stacks, 0, frame, frame, frames);
  if (depth <= kOwn) return;
  sample.depth = depth - kOwn;
  std::copy_n(frames.begin() + kOwn, sample.depth, sample.frames.begin());
  heap->samples.add(reinterpret_cast<std::uintptr_t>(at), sample);
}

void heap_freed(const void* at) {
  if (Taken* heap = g_heap.load(std::memory_order_acquire); heap != nullptr)
    heap->samples.remove(reinterpret_cast<std::uintptr_t>(at));
}

Result<void> HeapProfiler::activate() {
  const std::lock_guard lock(g_changes);
  g_heap_sampling.store(false);
  if (Taken* earlier = g_heap.load(); earlier != nullptr) {
    earlier->samples.clear();
  } else {
    auto made = std::make_unique<Taken>(stack_ranges(read_mappings()));
    if (made->stacks.empty()) return fail(ErrorCode::kInvalid, "read the process's mappings");
    g_heap.store(made.release(), std::memory_order_release);
  }
  g_heap_sampling.store(true);
  return {};
}

Result<std::string> HeapProfiler::profile() {
  const std::lock_guard lock(g_changes);
  const Taken* heap = g_heap.load();
  if (heap == nullptr || !heap_sampling())
    return fail(ErrorCode::kInvalid, "take a heap profile that is not active", Origin::kClient);
  const auto samples = heap->samples.all();
  auto packed = gzip(write_heap_pprof(samples, heap->samples.lost(), read_mappings()));
  if (!packed) return fail(ErrorCode::kLimit, "compress a heap profile");
  return std::move(*packed);
}

}  // namespace culvert::telemetry
