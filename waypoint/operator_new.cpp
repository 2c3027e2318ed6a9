// operator new and delete of this program and its libraries: a data thread's small blocks come from
// what it has freed before (SpareBlocks). Only in culvert-waypoint without sanitizers, which bring
// theirs. Running out of memory is fatal.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "culvert/base/spare_blocks.hpp"

void* operator new(std::size_t bytes) {
  return culvert::take_block(bytes == 0 ? 1 : bytes);
}

void operator delete(void* at) noexcept {
  culvert::give_block(at);
}

void operator delete(void* at, std::size_t bytes) noexcept {
  culvert::give_block(at, bytes == 0 ? 1 : bytes);
}
