// Times: the deadlines of one exchange. As in Envoy, the route's timeout and that of an attempt
// begin when the request has come whole; grpc-timeout begins with the request. Plain value.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "culvert/io/deadline.hpp"
#include "waypoint/exchange/ends.hpp"

namespace culvert::waypoint {

/// kNoDeadline where that is beyond what clocks reach: peers may say any time.
template <class Duration>
io::Deadline later(io::Deadline from, Duration by) {
  if (by >= std::chrono::floor<Duration>(io::kNoDeadline - from)) return io::kNoDeadline;
  return from + by;
}

struct Times {
  std::chrono::milliseconds timeout{0};              // 0: none
  std::optional<std::chrono::milliseconds> per_try;  // until an answer is passed on
  io::Deadline grpc = io::kNoDeadline;               // by grpc-timeout
  io::Deadline complete = io::kNoDeadline;           // when the request had come whole
  io::Deadline attempt_began{};
  bool answered = false;  // an answer is being passed on
  // By the caller's wish it is less than the route gives.
  bool timeout_is_callers = false, per_try_is_callers = false;

  /// Of all attempts and the waits between them.
  io::Deadline whole() const {
    if (complete == io::kNoDeadline || timeout.count() == 0) return grpc;
    return std::min(later(complete, timeout), grpc);
  }
  /// Of what is being done for this attempt.
  io::Deadline deadline() const {
    if (answered || complete == io::kNoDeadline || !per_try) return whole();
    return std::min(later(std::max(complete, attempt_began), *per_try), whole());
  }
  /// Which of them has passed.
  ExchangeEnd expired(io::Deadline now) const {
    if (now >= grpc) return ExchangeEnd::kMaxDuration;
    return now >= whole() ? ExchangeEnd::kTimeout : ExchangeEnd::kTryTimeout;
  }
  /// Whether a host was too slow whose time was up in that way: not by a time that its caller
  /// chose.
  bool blames_host(ExchangeEnd expired) const {
    if (expired == ExchangeEnd::kMaxDuration) return false;
    return expired == ExchangeEnd::kTimeout ? !timeout_is_callers : !per_try_is_callers;
  }
};

}  // namespace culvert::waypoint
