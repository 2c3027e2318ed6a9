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
  PoolWaiter(PoolHost& of, ClusterQuota& cluster);
  PoolWaiter(const PoolWaiter&) = delete;
  PoolWaiter& operator=(const PoolWaiter&) = delete;
  ~PoolWaiter();

  void wake();

  PoolHost& host;
  ClusterQuota& quota;
  io::Event event;
  bool woken = false;
  std::optional<Error> failure;  // of the connection that it waited for
  PoolWaiter* previous = nullptr;
  PoolWaiter* next = nullptr;
};

/// Wakes the oldest that is not awake yet: of `host`, or of any with null.
void wake_one(const ClusterQuota& quota, const PoolHost* host);

}  // namespace culvert::waypoint
