// Tap: what has just happened to requests, for people who watch: that they began, an attempt, an
// answer, the end. While nobody asks, it costs loads of one word a request. One a process; workers
// push, admin threads read.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace culvert::waypoint {

/// Who asked is taken for gone after so long.
inline constexpr auto kTapWatched = std::chrono::seconds(5);
/// Bytes of events that are kept for who watches, and that wait to be; what comes beyond is
/// dropped, and counted.
inline constexpr std::size_t kMaxTapBytes = 2U << 20;

class Tap {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Tap() = default;
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;
  ~Tap();

  /// Whether somebody watches. Any thread.
  bool watched(TimePoint now) const {
    return now.time_since_epoch().count() < watched_until_.load(std::memory_order_relaxed);
  }
  /// A number for a request that is told of before its end; never 0. Any thread.
  std::uint64_t next_number() { return numbers_.fetch_add(1, std::memory_order_relaxed) + 1; }
  /// An event of a request, in JSON. Any thread, without a lock.
  void push(std::string json);

  struct Batch {
    std::uint64_t next = 0;  // what to ask for then
    std::uint64_t lost = 0;  // events between `after` and the first of these
    std::vector<std::string> events;
  };
  /// The events numbered `after` and later, oldest first; and keeps it watched. Any thread but
  /// data threads.
  Batch read(std::uint64_t after, TimePoint now);
  /// The number of the next event.
  std::uint64_t end(TimePoint now) { return read(~std::uint64_t{0}, now).next; }

 private:
  struct Node {
    std::string json;
    Node* next;
  };
  void take_pushed();

  std::atomic<TimePoint::rep> watched_until_{0};
  std::atomic<std::uint64_t> numbers_{0};  // of requests
  std::atomic<Node*> newest_{nullptr};
  std::atomic<std::size_t> waiting_bytes_{0};
  std::atomic<std::uint64_t> dropped_{0};  // by push(), not yet numbered
  std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<std::string> kept_;
  std::uint64_t first_ = 0;  // the number of kept_'s first
  std::size_t kept_bytes_ = 0;
};

}  // namespace culvert::waypoint
