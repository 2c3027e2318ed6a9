// ByteQueue: bytes waiting in a stream, received or to be sent. A list of chunks whose memory is
// accounted to the process' budget. Owned by a stream's state; loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "culvert/h2/budget.hpp"

namespace culvert::h2 {

class ByteQueue {
 public:
  /// Memory of a chunk: small for the first few bytes, so that many quiet streams stay cheap.
  static constexpr std::size_t kSmallChunkBytes = 4U << 10;
  static constexpr std::size_t kChunkBytes = 64U << 10;
  /// Free chunks that a thread keeps for its next ones: 192 KiB.
  static constexpr std::size_t kFreeSmallChunksMax = 16;
  static constexpr std::size_t kFreeChunksMax = 2;

  explicit ByteQueue(Budget* budget) : budget_(budget) {}
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;
  ~ByteQueue() { clear(); }

  void append(std::span<const std::uint8_t> bytes);
  /// The first contiguous bytes; empty when there are none. append() leaves them in place.
  std::span<const std::uint8_t> front() const;
  /// Removes `count` bytes, at most size().
  void pop(std::size_t count);
  void clear();
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  struct Chunk {
    Chunk* next;
    std::uint32_t capacity;
    std::uint32_t begin;
    std::uint32_t end;
    std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  };
  void add_chunk(std::size_t wanted);
  void drop_first();

  Budget* budget_;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace culvert::h2
