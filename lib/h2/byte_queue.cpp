#include "byte_queue.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <cstring>

namespace culvert::h2 {
namespace {

/// Memory of chunks that nobody uses, of one size and one thread. Most streams hold a few bytes for
/// a moment; malloc() of as much gathers its small free pieces first, each time.
template <std::size_t kBytes, std::size_t kMost>
class FreeChunks {
 public:
  FreeChunks() = default;
  FreeChunks(const FreeChunks&) = delete;
  FreeChunks& operator=(const FreeChunks&) = delete;
  ~FreeChunks() {
    while (count_ > 0) std::free(kept_[--count_]);
    ended_ = true;  // queues that end behind their thread's
  }

  void* take() { return count_ > 0 ? kept_[--count_] : std::malloc(kBytes); }
  void give_back(void* chunk) {
    if (count_ == kMost || ended_) return std::free(chunk);
    kept_[count_++] = chunk;
  }

 private:
  std::array<void*, kMost> kept_{};
  std::size_t count_ = 0;
  bool ended_ = false;
};

thread_local FreeChunks<ByteQueue::kSmallChunkBytes, ByteQueue::kFreeSmallChunksMax> small_chunks;
thread_local FreeChunks<ByteQueue::kChunkBytes, ByteQueue::kFreeChunksMax> large_chunks;

}  // namespace

void ByteQueue::add_chunk(std::size_t wanted) {
  const bool small = first_ == nullptr && wanted <= kSmallChunkBytes - sizeof(Chunk);
  const std::size_t memory = small ? kSmallChunkBytes : kChunkBytes;
  auto* chunk = static_cast<Chunk*>(small ? small_chunks.take() : large_chunks.take());
  if (chunk == nullptr) std::abort();  // running out of memory is fatal
  *chunk = {nullptr, static_cast<std::uint32_t>(memory - sizeof(Chunk)), 0, 0};
  (last_ == nullptr ? first_ : last_->next) = chunk;
  last_ = chunk;
  if (budget_ != nullptr) budget_->take(memory);
}

void ByteQueue::drop_first() {
  Chunk* chunk = std::exchange(first_, first_->next);
  if (first_ == nullptr) last_ = nullptr;
  const std::size_t memory = chunk->capacity + sizeof(Chunk);
  if (budget_ != nullptr) budget_->give_back(memory);
  memory == kSmallChunkBytes ? small_chunks.give_back(chunk) : large_chunks.give_back(chunk);
}

void ByteQueue::append(std::span<const std::uint8_t> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (last_ == nullptr || last_->end == last_->capacity) add_chunk(bytes.size());
    const std::size_t part = std::min<std::size_t>(bytes.size(), last_->capacity - last_->end);
    std::memcpy(last_->bytes() + last_->end, bytes.data(), part);
    last_->end += static_cast<std::uint32_t>(part);
    bytes = bytes.subspan(part);
  }
}

std::span<const std::uint8_t> ByteQueue::front() const {
  if (first_ == nullptr) return {};
  return {first_->bytes() + first_->begin, first_->end - first_->begin};
}

void ByteQueue::pop(std::size_t count) {
  assert(count <= size_);
  size_ -= count;
  while (count > 0) {
    const std::size_t part = std::min<std::size_t>(count, first_->end - first_->begin);
    first_->begin += static_cast<std::uint32_t>(part);
    count -= part;
    if (first_->begin == first_->end) drop_first();
  }
}

void ByteQueue::clear() {
  while (first_ != nullptr) drop_first();
  size_ = 0;
}

}  // namespace culvert::h2
