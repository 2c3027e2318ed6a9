// Whether a loop without work looks for some before it sleeps. A sleep costs too: whoever brings
// work wakes this thread, and on another core that takes longer than a request's whole way through
// the loop. As of spinning locks: who looks for as long as a sleep costs, and then sleeps, never
// spends more than twice what the best choice would have (docs/decisions/0116).
#pragma once

#include <algorithm>
#include <chrono>

#include "culvert/io/deadline.hpp"

namespace culvert::io {

class BusyPoll {
 public:
  /// Work that comes sooner than this came quickly: as long as a round trip through two tunnels
  /// whose threads sleep.
  static constexpr std::chrono::microseconds kQuick{300};
  /// So many quick ones in a row begin the looking; one that is not ends it. A request now and
  /// then, with its answer, is none.
  static constexpr int kQuickInARow = 4;

  /// A look that took this long gave the core to somebody who kept it for his whole slice. A thread
  /// that sleeps gets its core back when it is woken, one that yields only when the other's slice
  /// ends.
  static constexpr std::chrono::milliseconds kCoreLost{1};
  /// So long it looks no more then; twice as long each time that it happens again within kMostOff
  /// of looking: who waits behind a lost slice a second does not see it at p99.
  static constexpr std::chrono::milliseconds kLeastOff{20};
  static constexpr std::chrono::milliseconds kMostOff{1280};

  /// Looks for at most `limit` at a time; 0: never.
  explicit BusyPoll(std::chrono::microseconds limit) : limit_(limit) {}

  std::chrono::microseconds limit() const { return limit_; }
  bool wanted(Deadline now) const {
    return limit_.count() > 0 && quick_ >= kQuickInARow && now >= not_before_;
  }

  /// A look ended at `now`, `took` after it began.
  void looked(Clock::duration took, Deadline now) {
    if (took < kCoreLost) return;
    off_ = now - not_before_ > kMostOff ? kLeastOff : std::min(off_ * 2, kMostOff);
    not_before_ = now + off_;
  }

  /// A wait, looking and sleeping together, brought work after `took`.
  void waited(Clock::duration took) {
    if (took > kQuick) {
      quick_ = 0;
    } else if (quick_ < kQuickInARow) {
      ++quick_;
    }
  }

 private:
  std::chrono::microseconds limit_;
  int quick_ = 0;  // in a row, at most kQuickInARow
  std::chrono::milliseconds off_{kLeastOff};
  Deadline not_before_{};
};

}  // namespace culvert::io
