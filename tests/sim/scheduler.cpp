#include "scheduler.hpp"

#include <algorithm>

namespace culvert::sim {

bool Scheduler::step(Time end) {
  const Time now = this->now();
  std::vector<Participant*> able;
  Time next = events_.empty() ? kNever : events_.begin()->first.first;
  const bool event_due = next <= now;
  for (Participant* participant : participants_) {
    const Time at = participant->wakes_at();
    if (participant->has_work() || at <= now) able.push_back(participant);
    next = std::min(next, at);
  }
  const std::size_t choices = able.size() + (event_due ? 1 : 0);
  if (choices == 0) {
    now_.store(std::min(next, end).count(), std::memory_order_relaxed);
    return next < end;
  }
  ++steps_;
  const std::size_t pick = rng_.below(choices);
  if (pick == able.size()) {
    auto event = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    event();
    return true;
  }
  Participant& chosen = *able[pick];
  chosen.go_.release();
  back_.acquire();
  if (chosen.ended_) std::erase(participants_, &chosen);
  return true;
}

void Scheduler::run_until_all_left(Time end) {
  while (!participants_.empty() && step(end)) {
  }
}

}  // namespace culvert::sim
