// Points in time that bound a wait. Every await on a peer names one.
#pragma once

#include <chrono>

namespace culvert::io {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

/// Only for the idle read of a joined connection, guarded by keep-alive, and for our own events.
inline constexpr Deadline kNoDeadline = Deadline::max();

/// `Loop::current().now() + d` without the loop: reads the clock.
inline Deadline in(Clock::duration d) {
  return Clock::now() + d;
}

}  // namespace culvert::io
