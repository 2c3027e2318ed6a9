// Simulated time: an io::Loop whose timers pass as soon as nothing else is to do, so that fifteen
// minutes take no time. The program's CLOCK_MONOTONIC stands still meanwhile (clock.cpp).
#pragma once

#include <chrono>
#include <memory>

#include "culvert/io/loop.hpp"

namespace culvert::waypoint::test {

/// A loop of simulated time, which goes on where the last one ended.
class Simulation {
 public:
  Simulation();
  ~Simulation();
  io::Loop& loop() { return *loop_; }
  /// For an owner of its own, whose end comes before the simulation's.
  std::unique_ptr<io::Loop> take_loop() { return std::move(loop_); }

 private:
  std::unique_ptr<io::Loop> loop_;
};

/// Runs `function(arguments...)` to its end. Fails the test when all fibers wait and no timer would
/// wake one.
template <class F, class... Args>
void simulate(F function, Args... arguments) {
  Simulation simulation;
  auto* loop = &simulation.loop();
  loop->post([=] {
    loop->root().spawn(
        [](io::Loop* self, F body, Args... values) -> io::Task<> {
          co_await body(values...);
          self->stop();
        },
        loop, function, arguments...);
  });
  loop->run();
}

/// Since the first simulation began.
std::chrono::milliseconds simulated_now();

}  // namespace culvert::waypoint::test
