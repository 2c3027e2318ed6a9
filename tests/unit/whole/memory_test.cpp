// Tested memory: what an idle connection takes of the heap, on both nodes together, and what is
// left of it afterwards. Bytes that malloc() has given out, not pages: the same in each run.
#include <doctest/doctest.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "two_nodes.hpp"

using namespace culvert;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kFirst = 200;  // tunnels and tables have their usual size
constexpr std::size_t kMore = 1000;
constexpr std::size_t kMostBytes = 2560;
constexpr auto kQuiet = 2s;
constexpr std::size_t kLooks = 1200;
constexpr std::size_t kLeft = 512U << 10;  // of 5 MB; malloc() keeps some for each thread

std::size_t heap_bytes() {
  const struct mallinfo2 all = ::mallinfo2();
  return all.uordblks + all.hblkhd;
}

// What is in use once nothing has moved for a while, when tunnels keep no empty buffers.
std::size_t heap_bytes_when_idle() {
  std::this_thread::sleep_for(kQuiet);
  return heap_bytes();
}

}  // namespace

TEST_CASE("an idle connection takes few bytes on each of both nodes, and they come back") {
  testing::TwoNodes nodes;
  std::vector<testing::Pair> open;
  open.reserve(kFirst + kMore);
  while (open.size() < kFirst) open.push_back(nodes.connect());
  const std::size_t before = heap_bytes_when_idle();
  while (open.size() < kFirst + kMore) open.push_back(nodes.connect());
  REQUIRE(nodes.carried() == 2 * open.size());
  const std::size_t each = (heap_bytes_when_idle() - before) / kMore / 2;
  MESSAGE("bytes of the heap for an idle connection, on each side: ", each);
  CHECK(each < kMostBytes);

  open.resize(kFirst);
  for (std::size_t i = 0; i < kLooks && nodes.carried() > 2 * open.size(); ++i) {
    std::this_thread::sleep_for(50ms);
  }
  REQUIRE(nodes.carried() == 2 * open.size());
  std::size_t left = heap_bytes() - before;
  for (std::size_t i = 0; i < kLooks && left > kLeft; ++i) {
    std::this_thread::sleep_for(100ms);  // tunnels that are not needed end too
    left = heap_bytes() - before;
  }
  MESSAGE("bytes left of ", kMore, " connections: ", left);
  CHECK(left <= kLeft);
}
