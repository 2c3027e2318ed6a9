// SpareBlocks: memory that a data thread has freed, kept for its next allocations of the same size.
// A request makes and frees some hundred small blocks (streams, coroutine frames, header fields);
// malloc(3) keeps seven of a size, and none above a KiB, before it goes its long ways.
// docs/decisions/0117 has the figures.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace culvert {

/// Made by a thread for itself: its take_block() and give_block() use it until it dies, which frees
/// what it holds. At most one a thread. Where a sanitizer is at work nothing is kept.
class SpareBlocks {
 public:
  /// Larger blocks are malloc's own affair.
  static constexpr std::size_t kMaxBlockBytes = 8192;
  /// Held at most, all sizes together.
  static constexpr std::size_t kMaxBytes = 768U << 10;

  SpareBlocks();
  ~SpareBlocks();
  SpareBlocks(const SpareBlocks&) = delete;
  SpareBlocks& operator=(const SpareBlocks&) = delete;

  std::size_t bytes() const { return bytes_; }
  /// Frees what is held if nearly nothing was taken since the last call: for a look now and then.
  void free_if_idle();

 private:
  friend void* take_block(std::size_t bytes) noexcept;
  friend void give_block(void* at) noexcept;
  friend void give_block(void* at, std::size_t bytes) noexcept;

  /// Lies in the free block; malloc's are 24 bytes at least.
  struct Free {
    std::uintptr_t next;      // mixed with its own place, as glibc's lists are: see mixed()
    const SpareBlocks* held;  // by whom, while it is free
  };
  /// malloc's blocks carry 24, 40, 56, ... bytes (glibc on 64 bits: 16 a step, 8 of them its own).
  static constexpr std::size_t kLeastBytes = 24;
  static constexpr std::size_t kStepBytes = 16;
  static constexpr std::size_t kSizes =
      (kMaxBlockBytes - kLeastBytes + kStepBytes - 1) / kStepBytes + 1;
  static constexpr std::size_t size_of(std::size_t bytes) {
    return bytes <= kLeastBytes ? 0 : (bytes - kLeastBytes + kStepBytes - 1) / kStepBytes;
  }
  static constexpr std::size_t bytes_of(std::size_t size) {
    return kLeastBytes + size * kStepBytes;
  }
  static std::uintptr_t mixed(const Free* at, std::uintptr_t next) {
    return next ^ reinterpret_cast<std::uintptr_t>(at) >> 12U;
  }

  void* take(std::size_t size) noexcept;
  bool keep(void* at, std::size_t size) noexcept;
  [[clang::preserve_most]] void assert_not_held(const Free* block, std::size_t size) const;
  void free_all() noexcept;

  std::array<Free*, kSizes> free_{};
  std::size_t bytes_ = 0;
  std::size_t taken_ = 0;  // since the last free_if_idle()
};

/// As malloc(3), but running out of memory is fatal. Any thread.
[[nodiscard]] void* take_block(std::size_t bytes) noexcept;
/// As free(3), of any block of malloc's; any thread. `bytes`: what was asked for.
void give_block(void* at) noexcept;
void give_block(void* at, std::size_t bytes) noexcept;

}  // namespace culvert
