#include <doctest/doctest.h>

#include <random>

#include "culvert/io/loop.hpp"

using namespace culvert::io;

namespace {
struct Recorder final : Timer {
  Deadline at;
  std::vector<Deadline>* fired = nullptr;
  void expired() override { fired->push_back(at); }
};
}  // namespace

TEST_CASE("timers fire in order, removed ones never") {
  TimerHeap heap;
  std::vector<Deadline> fired;
  std::vector<Recorder> timers(500);
  std::mt19937 random(7);
  const Deadline start{};
  for (auto& timer : timers) {
    timer.at = start + std::chrono::milliseconds(random() % 300);
    timer.fired = &fired;
    heap.add(timer, timer.at);
  }
  for (std::size_t i = 0; i < timers.size(); i += 3) heap.remove(timers[i]);
  for (std::size_t i = 0; i < timers.size(); i += 3) heap.remove(timers[i]);  // again: no effect
  heap.expire(start + std::chrono::milliseconds(150));
  const std::size_t early = fired.size();
  heap.expire(start + std::chrono::milliseconds(300));
  CHECK(fired.size() == 500 - 167);
  CHECK(early < fired.size());
  CHECK(std::is_sorted(fired.begin(), fired.end()));
  CHECK(heap.size() == 0);
  CHECK(heap.earliest() == kNoDeadline);
}
