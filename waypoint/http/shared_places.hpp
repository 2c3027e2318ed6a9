// SharedPlaces: the connections of one cluster on all workers of a process, and who waits for one.
// Limits are judged by them where there are several workers (0126). Any thread; one short lock,
// taken when a connection is opened or ends, and while requests wait for a place.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/base/mutex.hpp"
#include "culvert/io/deadline.hpp"

namespace culvert::waypoint {

/// What a worker is told of a cluster's places.
enum class PlaceNews : std::uint8_t {
  kPromised,  // one has come free, and is kept for who waits there: take_promised(), pass_on()
  kFree,      // an endpoint has no connection any more: who waits for it may try again
  kWanted,    // others wait for one: what is idle there is to be closed
};

/// So long a worker's connections serve the requests that wait on itself, while requests on other
/// workers wait longer than that.
inline constexpr std::chrono::milliseconds kPlaceTurn{50};

/// One more, unless there are `limit`.
bool add_below(std::atomic<std::uint32_t>& count, std::uint32_t limit);

class SharedPlaces {
 public:
  /// An endpoint; none of TCP that is passed through.
  using At = std::optional<SocketAddress>;
  /// Called on any thread with the lock held: it passes the news on and returns. `at`: of
  /// kPromised, where the place was; of kFree.
  using Tell = std::function<void(PlaceNews, const At& at)>;
  /// A worker's part, of its own thread.
  class Part;

  /// Kept until leave(), by which time its places are given back.
  Part& join(Tell tell);
  void leave(Part& part);

  /// A connection to be opened.
  struct Wanted {
    const SocketAddress* at = nullptr;  // its endpoint: the first there is not refused; null: TCP
    std::uint32_t limit = 0;            // connections of the cluster
    bool regardless = false;            // counted, but not refused
  };
  /// A place, to be given back. False: as many as `limit` are open.
  bool take(const Wanted& wanted);
  /// The same, but who is refused waits from now on: others are asked for idle connections, and one
  /// kPromised comes for it. `since`: when its waiting began.
  bool take_or_wait(Part& part, const Wanted& wanted, io::Deadline since);
  /// The place of a kPromised, instead of take().
  void take_promised(Part& part, const SocketAddress* at);
  /// One who waited does not any more. `oldest`: since when those do who are left.
  void wait_no_more(Part& part, io::Deadline oldest);
  /// `at`: as with take().
  void give_back(const SocketAddress* at);
  /// For a kPromised that nobody in the part had a use for: the next one is told.
  void pass_on(Part& part);
  /// kWanted has arrived: the next one may be sent.
  void heard(Part& part);
  /// Whether an idle connection of the part must end because others wait for its place: all who
  /// wait if nobody waits in the part itself, else those who have for kPlaceTurn.
  bool should_yield(const Part& part, bool has_waiters, io::Deadline now) const;
  /// One is about to end for that: the part's own waiters come behind the others now.
  void yields(Part& part, io::Deadline now);

  std::uint32_t connections() const;
  std::atomic<std::uint32_t>& pending() { return pending_; }

 private:
  void count(const SocketAddress* at) __attribute__((requires_capability(mutex_)));
  void leave_endpoint(const At& at) __attribute__((requires_capability(mutex_)));
  At end_promise(Part& part, const SocketAddress* at) __attribute__((requires_capability(mutex_)));
  bool take_locked(const Wanted& wanted) __attribute__((requires_capability(mutex_)));
  void offer(const At& at) __attribute__((requires_capability(mutex_)));

  mutable Mutex mutex_;
  std::list<Part> parts_ CULVERT_GUARDED_BY(mutex_);
  std::uint32_t connections_ CULVERT_GUARDED_BY(mutex_) = 0;
  std::uint32_t promised_ CULVERT_GUARDED_BY(mutex_) = 0;  // places, to parts
  // Connections, and promised places where they were.
  std::unordered_map<SocketAddress, std::uint32_t, SocketAddressHash> by_endpoint_
      CULVERT_GUARDED_BY(mutex_);
  std::atomic<std::uint32_t> waiting_{0};  // of all parts; changed with the lock held
  std::atomic<std::uint32_t> pending_{0};  // requests that wait for a connection, for any reason
};

class SharedPlaces::Part {
 public:
  explicit Part(Tell tell) : tell_(std::move(tell)) {}

 private:
  friend class SharedPlaces;  // whose lock guards it
  const Tell tell_;
  std::uint32_t waiting_ = 0;
  std::vector<At> promised_;  // oldest first
  std::uint32_t limit_ = 0;   // of who waits
  io::Deadline since_{};      // the turn of those who wait: oldest first
  bool told_wanted_ = false;
};

}  // namespace culvert::waypoint
