// Parts of a byte budget: who holds much is throttled and reset, who holds little never.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "culvert/h2/budget.hpp"

using culvert::h2::Budget;
using culvert::h2::kMinPartBytes;

namespace {

constexpr std::size_t kMiB = 1U << 20;
constexpr std::size_t kStep = kMiB / 4;

// Takes until `stop` says so; how much it then holds.
template <class Stop>
std::size_t fill(Budget& part, Stop stop) {
  while (!stop(part)) part.take(kStep);
  return part.used_bytes();
}
bool exceeded(const Budget& part) {
  return part.exceeded();
}
bool exhausted(const Budget& part) {
  return part.exhausted();
}

}  // namespace

TEST_CASE("a whole budget is exceeded beyond its limit, and exhausted beyond twice it") {
  Budget whole(256 * kMiB);
  CHECK(fill(whole, exceeded) == 256 * kMiB + kStep);
  CHECK(fill(whole, exhausted) == 512 * kMiB + kStep);
}

TEST_CASE("one part alone is throttled at half of the limit and reset at the limit") {
  Budget whole(256 * kMiB);
  Budget hog(&whole);
  CHECK(fill(hog, exceeded) == 128 * kMiB + kStep);
  CHECK(fill(hog, exhausted) == 256 * kMiB + kStep);
  CHECK(whole.used_bytes() == hog.used_bytes());
}

TEST_CASE("a part that holds little is neither throttled nor reset beside hogs") {
  Budget whole(256 * kMiB);
  Budget first(&whole), second(&whole), quiet(&whole);
  fill(first, exhausted);
  fill(second, exhausted);
  CHECK(whole.exceeded());
  quiet.take(kMinPartBytes);
  CHECK_FALSE(quiet.exceeded());
  CHECK_FALSE(quiet.exhausted());
  quiet.take(kStep);
  CHECK(quiet.exceeded());  // the whole has nothing left to give it
  CHECK_FALSE(quiet.exhausted());
}

TEST_CASE("however many parts fill up, the whole stays below twice its limit and a minimum each") {
  Budget whole(64 * kMiB);
  std::vector<std::unique_ptr<Budget>> parts;
  for (int i = 0; i < 40; ++i) {
    parts.push_back(std::make_unique<Budget>(&whole));
    fill(*parts.back(), exhausted);
  }
  CHECK(whole.used_bytes() <= 2 * 64 * kMiB + 40 * (kMinPartBytes + kStep));
}

TEST_CASE("what a part gives back the whole has again") {
  Budget whole(4 * kMiB);
  {
    Budget part(&whole);
    part.take(3 * kMiB);
    CHECK(part.exceeded());
    part.give_back(3 * kMiB);
    CHECK_FALSE(part.exceeded());
  }
  CHECK(whole.used_bytes() == 0);
}
