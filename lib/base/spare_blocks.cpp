#include "culvert/base/spare_blocks.hpp"

#include <malloc.h>

#include <cassert>
#include <cstdlib>

namespace culvert {
namespace {

/// Blocks between two looks of a thread that does nothing but look.
constexpr std::size_t kIdleTaken = 256;

/// Sanitizers see what is wrong with a block by malloc and free.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kKept = false;
#else
constexpr bool kKept = true;
#endif

constinit thread_local SpareBlocks* t_own = nullptr;

/// Rare, and apart from what is not: so that has no registers to save.
[[gnu::noinline]] void* from_malloc(std::size_t bytes) {
  void* const made = std::malloc(bytes);
  if (made == nullptr && bytes > 0) std::abort();
  return made;
}

}  // namespace

SpareBlocks::SpareBlocks() {
  assert(t_own == nullptr && "one a thread");
  t_own = this;
}

SpareBlocks::~SpareBlocks() {
  assert(t_own == this && "it dies where it was made");
  t_own = nullptr;
  free_all();
}

void* SpareBlocks::take(std::size_t size) noexcept {
  ++taken_;
  Free* const block = free_[size];
  if (block == nullptr) return nullptr;
  free_[size] =
      reinterpret_cast<Free*>(mixed(block, block->next));  // NOLINT(performance-no-int-to-ptr)
  block->held = nullptr;
  bytes_ -= bytes_of(size);
  return block;
}

// A block that is freed twice would be given to two: as malloc does, the process ends instead.
void SpareBlocks::assert_not_held(const Free* block, std::size_t size) const {
  for (const Free* at = free_[size]; at != nullptr;) {
    if (at == block) std::abort();
    at = reinterpret_cast<const Free*>(mixed(at, at->next));  // NOLINT(performance-no-int-to-ptr)
  }
}

bool SpareBlocks::keep(void* at, std::size_t size) noexcept {
  if (bytes_ + bytes_of(size) > kMaxBytes) return false;
  auto* const block = static_cast<Free*>(at);
  if (block->held == this) [[unlikely]]
    assert_not_held(block, size);
  block->next = mixed(block, reinterpret_cast<std::uintptr_t>(free_[size]));
  block->held = this;
  free_[size] = block;
  bytes_ += bytes_of(size);
  return true;
}

void SpareBlocks::free_all() noexcept {
  for (std::size_t size = 0; size < kSizes; ++size) {
    while (void* const block = take(size)) std::free(block);
  }
}

void SpareBlocks::free_if_idle() {
  if (taken_ <= kIdleTaken) free_all();
  taken_ = 0;
}

// Rounded up here, so that a block is as large as its size says whatever malloc makes of it:
// glibc's would be anyway.
void* take_block(std::size_t bytes) noexcept {
  if (bytes <= SpareBlocks::kMaxBlockBytes && kKept) {
    const std::size_t size = SpareBlocks::size_of(bytes);
    if (SpareBlocks* const own = t_own; own != nullptr) {
      if (void* const kept = own->take(size)) return kept;
    }
    bytes = SpareBlocks::bytes_of(size);
  }
  return from_malloc(bytes);
}

void give_block(void* at, std::size_t bytes) noexcept {
  if (at == nullptr) return;
  SpareBlocks* const own = t_own;
  const bool small = kKept && own != nullptr && bytes <= SpareBlocks::kMaxBlockBytes;
  if (!small || !own->keep(at, SpareBlocks::size_of(bytes))) std::free(at);
}

void give_block(void* at) noexcept {
  if (at == nullptr) return;
  SpareBlocks* const own = t_own;
  if (own == nullptr || !kKept) return std::free(at);
  // As one of the largest size that it can be: it may be somebody's who called malloc.
  const std::size_t bytes = ::malloc_usable_size(at);
  const bool small =
      bytes >= SpareBlocks::kLeastBytes && bytes < SpareBlocks::bytes_of(SpareBlocks::kSizes);
  if (!small || !own->keep(at, (bytes - SpareBlocks::kLeastBytes) / SpareBlocks::kStepBytes)) {
    std::free(at);
  }
}

}  // namespace culvert
