// When free memory goes back to the system.
#include "culvert/proxy/give_back.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::proxy;

TEST_CASE("a wave of connections is over once few come or go for some checks") {
  WaveWatch watch;
  std::uint64_t changes = 0;
  for (int i = 0; i < 10; ++i) CHECK_FALSE(watch.look(changes += 200));
  for (int i = 1; i < kCalmChecks; ++i) CHECK_FALSE(watch.look(changes += kCalm - 1));
  CHECK(watch.look(changes));
  for (int i = 0; i < 2 * kCalmChecks; ++i) CHECK_FALSE(watch.look(changes));  // once a wave
  changes += kWave - 1;
  for (int i = 0; i < 2 * kCalmChecks; ++i) CHECK_FALSE(watch.look(changes));  // that was none
  ++changes;
  CHECK_FALSE(watch.look(changes));
  for (int i = 2; i < kCalmChecks; ++i) CHECK_FALSE(watch.look(changes));
  CHECK(watch.look(changes));
}

TEST_CASE("connections that never cease to come and go put the end of the wave off") {
  WaveWatch watch;
  for (std::uint64_t changes = 0; changes < 100 * kCalm; changes += kCalm) {
    CHECK_FALSE(watch.look(changes));
  }
}

TEST_CASE("bytes that have left streams are a wave too, once they are calm") {
  h2::Budget budget(1U << 30);
  BytesWatch bytes(budget);
  WaveWatch watch;
  CHECK(bytes.changes() == 0);
  budget.take(kWave * kBytesAsOne);
  CHECK(bytes.changes() == 0);
  budget.give_back(kWave * kBytesAsOne - 1);
  CHECK(bytes.changes() == kWave - 1);
  budget.give_back(1);
  int told = 0;
  for (int i = 0; i < 3 * kCalmChecks; ++i) told += watch.look(bytes.changes()) ? 1 : 0;
  CHECK(told == 1);
}
