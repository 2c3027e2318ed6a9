// Whether a loop without work looks for some before it sleeps. A sleep costs too: whoever brings
// work wakes this thread, and on another core that takes longer than a request's whole way through
// the loop. As of spinning locks: who looks for as long as a sleep costs, and then sleeps, never
// spends more than twice what the best choice would have (docs/decisions/0116).
#pragma once

#include <chrono>

namespace culvert::io {

class BusyPoll {
 public:
  /// Work that comes sooner than this came quickly: as long as a round trip through two tunnels
  /// whose threads sleep.
  static constexpr std::chrono::microseconds kQuick{300};
  /// So many quick ones in a row begin the looking; one that is not ends it. A request now and
  /// then, with its answer, is none.
  static constexpr int kQuickInARow = 4;

  /// Looks for at most `limit` at a time; 0: never.
  explicit BusyPoll(std::chrono::microseconds limit) : limit_(limit) {}

  std::chrono::microseconds limit() const { return limit_; }
  bool wanted() const { return limit_.count() > 0 && quick_ >= kQuickInARow; }

  /// A wait, looking and sleeping together, brought work after `took`.
  void waited(std::chrono::nanoseconds took) {
    if (took > kQuick) {
      quick_ = 0;
    } else if (quick_ < kQuickInARow) {
      ++quick_;
    }
  }

 private:
  std::chrono::microseconds limit_;
  int quick_ = 0;  // in a row, at most kQuickInARow
};

}  // namespace culvert::io
