// The scheduler of a simulation: it owns the clock, and lets exactly one thread run at a time. What
// runs next is drawn from the seed among all that could; time passes only when nothing can.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <semaphore>
#include <utility>
#include <vector>

#include "rng.hpp"

namespace culvert::sim {

using Time = std::chrono::nanoseconds;  // since the simulation began
inline constexpr Time kNever = Time::max();

/// A thread that runs only while the scheduler lets it.
class Participant {
 public:
  virtual ~Participant() = default;
  /// Could run now, whatever the time.
  virtual bool has_work() const = 0;
  /// When it wants to run at the latest; kNever while it waits for others only.
  virtual Time wakes_at() const = 0;

 private:
  friend class Scheduler;
  std::binary_semaphore go_{0};
  bool ended_ = false;
};

class Scheduler {
 public:
  explicit Scheduler(Rng& rng) : rng_(rng) {}

  /// Any thread: others of the process ask the clock too.
  Time now() const { return Time(now_.load(std::memory_order_relaxed)); }
  /// Runs `what` on the scheduler's thread; events of one time run in the order of their making.
  void after(Time delay, std::function<void()> what) {
    events_.emplace(std::pair(now() + delay, next_event_++), std::move(what));
  }

  /// From now on the participant takes part. It dies after its thread called leave().
  void join(Participant& participant) { participants_.push_back(&participant); }
  /// On the participant's thread, first: waits for its first run.
  void wait_for_first_run(Participant& participant) { participant.go_.acquire(); }
  /// On the participant's thread: lets others run, and returns when it is its turn again.
  void hand_over(Participant& participant) {
    back_.release();
    participant.go_.acquire();
  }
  /// On the participant's thread, last.
  void leave(Participant& participant) {
    participant.ended_ = true;
    back_.release();
  }

  /// One step: an event or one run of a participant, or else the clock goes on to the next of them.
  /// False when nothing is left before `end`; the clock is then at `end`.
  bool step(Time end);
  void run_until(Time end) {
    while (step(end)) {
    }
  }
  /// Runs until no participant is left.
  void run_until_all_left(Time end);
  std::uint64_t steps() const { return steps_; }

 private:
  Rng& rng_;
  std::atomic<Time::rep> now_{0};
  std::uint64_t next_event_ = 0;
  std::uint64_t steps_ = 0;
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> events_;
  std::vector<Participant*> participants_;
  std::binary_semaphore back_{0};
};

}  // namespace culvert::sim
