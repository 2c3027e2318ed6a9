// malloc(3) and its kin as this program and its libraries call them: glibc's own, and a word to the
// heap profiler while it is active. Only in culvert-ztunnel without sanitizers, which bring theirs.
// Built with frame pointers, so that the caller is found. glibc's manual, "Replacing malloc".
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "culvert/telemetry/heap_profiler.hpp"

using culvert::telemetry::heap_allocated;
using culvert::telemetry::heap_freed;
using culvert::telemetry::heap_sampling;

extern "C" {

void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* old, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* at);

void* malloc(std::size_t bytes) {
  void* out = __libc_malloc(bytes);
  if (heap_sampling()) [[unlikely]]
    heap_allocated(out, bytes);
  return out;
}

void* calloc(std::size_t count, std::size_t bytes) {
  void* out = __libc_calloc(count, bytes);
  if (heap_sampling()) [[unlikely]]
    heap_allocated(out, count * bytes);
  return out;
}

void* realloc(void* old, std::size_t bytes) {
  if (heap_sampling() && old != nullptr) [[unlikely]]
    heap_freed(old);
  void* out = __libc_realloc(old, bytes);
  if (heap_sampling()) [[unlikely]]
    heap_allocated(out, bytes);
  return out;
}

void* memalign(std::size_t alignment, std::size_t bytes) {
  void* out = __libc_memalign(alignment, bytes);
  if (heap_sampling()) [[unlikely]]
    heap_allocated(out, bytes);
  return out;
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return memalign(alignment, bytes);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  if (alignment % sizeof(void*) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
    return EINVAL;
  void* made = memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *out = made;
  return 0;
}

void free(void* at) {
  if (heap_sampling() && at != nullptr) [[unlikely]]
    heap_freed(at);
  __libc_free(at);
}

}  // extern "C"

// libstdc++'s own has no frame pointer, and its caller would be missing in the profile. Running out
// of memory is fatal.
void* operator new(std::size_t bytes) {
  void* out = malloc(bytes == 0 ? 1 : bytes);
  if (out == nullptr) std::abort();
  return out;
}

void operator delete(void* at) noexcept {
  free(at);
}

void operator delete(void* at, std::size_t) noexcept {
  free(at);
}
