// PoolWaiter: a request that waits for a connection, in its cluster's queue. Lives in the frame of
// HttpPool::open(); loop thread.
#pragma once

#include <optional>

#include "culvert/base/error.hpp"
#include "culvert/io/event.hpp"
#include "waypoint/http/pool.hpp"

namespace culvert::waypoint {

struct PoolHost;

struct PoolWaiter {
  /// Has its place among the pending requests already; gives it back.
  PoolWaiter(PoolHost& of, ClusterQuota& cluster);
  PoolWaiter(const PoolWaiter&) = delete;
  PoolWaiter& operator=(const PoolWaiter&) = delete;
  ~PoolWaiter();

  void wake();

  PoolHost& host;
  ClusterQuota& quota;
  io::Event event;
  bool woken = false;
  bool listed = false;           // the other workers know that it waits for a place
  bool promised = false;         // a place is kept for it
  const io::Deadline since;      // when it came
  std::optional<Error> failure;  // of the connection that it waited for
  PoolWaiter* previous = nullptr;
  PoolWaiter* next = nullptr;
};

/// Wakes the oldest that is not awake yet: of `host`, or of any with null. False: there is none.
bool wake_one(const ClusterQuota& quota, const PoolHost* host);
/// The same of those that wait for that endpoint, by whichever way.
bool wake_one_at(const ClusterQuota& quota, const SocketAddress& at);

}  // namespace culvert::waypoint
