#include "memory.hpp"

#include <malloc.h>

#include <cstdlib>
#include <cstring>

#include "culvert/base/spare_blocks.hpp"

namespace culvert::h2 {
namespace {

void* zeroed(std::size_t count, std::size_t bytes) {
  std::size_t all = 0;
  if (__builtin_mul_overflow(count, bytes, &all)) return nullptr;
  void* const made = take_block(all);
  return made == nullptr ? nullptr : std::memset(made, 0, all);
}

void* resized(void* at, std::size_t bytes) {
  if (at == nullptr) return take_block(bytes);
  const std::size_t has = ::malloc_usable_size(at);
  if (bytes > SpareBlocks::kMaxBlockBytes || has > SpareBlocks::kMaxBlockBytes) {
    void* const made = std::realloc(at, bytes);
    if (made == nullptr && bytes > 0) std::abort();  // running out of memory is fatal
    return made;
  }
  if (bytes <= has) return at;
  void* const made = std::memcpy(take_block(bytes), at, has);
  give_block(at);
  return made;
}

}  // namespace

nghttp2_mem session_memory() {
  nghttp2_mem memory{};
  memory.malloc = [](std::size_t bytes, void*) { return take_block(bytes); };
  memory.free = [](void* at, void*) { give_block(at); };
  memory.calloc = [](std::size_t count, std::size_t bytes, void*) { return zeroed(count, bytes); };
  memory.realloc = [](void* at, std::size_t bytes, void*) { return resized(at, bytes); };
  return memory;
}

}  // namespace culvert::h2
