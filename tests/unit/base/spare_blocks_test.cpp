#include "culvert/base/spare_blocks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

using namespace culvert;

TEST_CASE("a block that was given back is the next of its size, and of no other") {
  SpareBlocks spare;
  void* const first = take_block(100);
  std::memset(first, 'x', 100);
  give_block(first, 100);
  CHECK(spare.bytes() >= 100);
  void* const other = take_block(200);
  CHECK(other != first);
  void* const again = take_block(97);  // malloc gives both the same size
  CHECK(again == first);
  CHECK(spare.bytes() == 0);
  give_block(again);
  give_block(other, 200);
}

TEST_CASE("blocks of every size hold what was asked for and do not overlap") {
  SpareBlocks spare;
  for (int round = 0; round < 2; ++round) {
    std::vector<std::pair<unsigned char*, std::size_t>> all;
    for (std::size_t bytes = 1; bytes <= SpareBlocks::kMaxBlockBytes + 100; bytes += 61) {
      auto* const block = static_cast<unsigned char*>(take_block(bytes));
      std::memset(block, static_cast<int>(bytes % 251), bytes);
      all.emplace_back(block, bytes);
    }
    for (const auto& [block, bytes] : all) {
      const auto value = static_cast<unsigned char>(bytes % 251);
      CHECK(std::count(block, block + bytes, value) == static_cast<std::ptrdiff_t>(bytes));
      (bytes % 2 == 0) ? give_block(block) : give_block(block, bytes);
    }
  }
}

TEST_CASE("no more is held than the bound, and nothing for a thread that has gone quiet") {
  SpareBlocks spare;
  constexpr std::size_t kBytes = 4096;
  std::vector<void*> all;
  for (std::size_t i = 0; i < 2 * SpareBlocks::kMaxBytes / kBytes; ++i) {
    all.push_back(take_block(kBytes));
  }
  for (void* const block : all) give_block(block, kBytes);
  CHECK(spare.bytes() <= SpareBlocks::kMaxBytes);
  CHECK(spare.bytes() > SpareBlocks::kMaxBytes - 2 * kBytes);
  spare.free_if_idle();  // much was taken since it was made
  CHECK(spare.bytes() > 0);
  spare.free_if_idle();
  CHECK(spare.bytes() == 0);
}

TEST_CASE("larger blocks, and those of threads that keep none, are malloc's") {
  void* const alone = take_block(64);
  SpareBlocks spare;
  void* const large = take_block(SpareBlocks::kMaxBlockBytes + 1);
  give_block(large, SpareBlocks::kMaxBlockBytes + 1);
  give_block(take_block(1U << 20));
  CHECK(spare.bytes() == 0);
  std::thread([&] { give_block(alone, 64); }).join();
  CHECK(spare.bytes() == 0);
  give_block(nullptr);
  give_block(nullptr, 8);
}
