// ClusterQuota: what the connections of one cluster are counted by on a worker, and who waits for
// one. Where there are several workers the limits are judged by what they share. Loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "culvert/base/ip.hpp"
#include "culvert/io/deadline.hpp"
#include "waypoint/http/shared_places.hpp"

namespace culvert::waypoint {

class ClusterQuota;
struct PoolWaiter;

/// Who holds a cluster's connections: the pool.
class IdleConnections {
 public:
  /// Ends one of the cluster that serves nobody, by ClusterQuota::yields(). False: there is none.
  virtual bool yield_idle_of(ClusterQuota& quota) = 0;

 protected:
  ~IdleConnections() = default;
};

/// Made by the cluster, held by it and by its connections.
class ClusterQuota : public std::enable_shared_from_this<ClusterQuota> {
 public:
  /// `shared`: of the cluster on all workers; null: there is one worker.
  explicit ClusterQuota(std::shared_ptr<SharedPlaces> shared = nullptr)
      : shared_(std::move(shared)) {}
  ClusterQuota(const ClusterQuota&) = delete;
  ClusterQuota& operator=(const ClusterQuota&) = delete;
  ~ClusterQuota();

  struct Wanted {
    const SocketAddress* at = nullptr;  // the endpoint; null for TCP that is passed through
    std::uint32_t limit = 0;
    /// Of HTTP/2: a connection serves its own worker's requests alone, so each worker may have one.
    bool of_each_worker = false;
  };
  /// A place for one more connection. False: as many as `limit` are open, and at that endpoint one
  /// at least.
  bool take(const Wanted& wanted);
  /// The same for a request that waits, for which a place may be kept.
  bool take(PoolWaiter& waiter, const Wanted& wanted);
  /// If it is refused once more, it is woken when a place has come free on any worker. Only after
  /// take(), as it asks other workers for their idle connections.
  bool take_or_wait(PoolWaiter& waiter, const Wanted& wanted);
  void give_back(const SocketAddress* at);
  /// A place among the requests that wait for a connection. False: `limit` wait.
  bool take_pending(std::uint32_t limit);
  void give_pending_back();

  /// The next who waits may have what the one before, who was woken, has no use for: at `at`.
  void pass_on(const SocketAddress& at);
  /// An idle connection is to end, as requests of other workers wait for its place.
  bool should_yield() const { return shared_ != nullptr && part_ != nullptr && others_wait(); }
  /// It does so now.
  void yields();
  /// It needs none any more: who has no use for the place that was kept for it leaves it to others.
  void wait_no_more(PoolWaiter& waiter);

  std::uint32_t connections() const { return connections_; }  // this worker's: open or being opened
  std::uint32_t pending() const { return pending_; }          // this worker's

  IdleConnections* idle = nullptr;     // where its connections are, once there was one
  PoolWaiter* first_waiter = nullptr;  // the pool's: oldest first
  PoolWaiter* last_waiter = nullptr;

 private:
  SharedPlaces::Part& part();
  void hear(PlaceNews news, const SharedPlaces::At& at);
  void hear_of_promise(const SharedPlaces::At& at);
  bool wake_next(const SocketAddress* at);
  void yield_idle();
  bool others_wait() const;
  io::Deadline oldest_listed() const;
  SharedPlaces::Wanted shared_wish(const Wanted& wanted) const;
  void count(const SocketAddress* at);

  const std::shared_ptr<SharedPlaces> shared_;
  SharedPlaces::Part* part_ = nullptr;  // joined with the first connection
  std::uint32_t connections_ = 0;
  std::uint32_t pending_ = 0;
  std::unordered_map<SocketAddress, std::uint32_t, SocketAddressHash> by_endpoint_;  // connections
};

}  // namespace culvert::waypoint
