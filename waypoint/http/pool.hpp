// HttpPool: the upstream connections of a worker. One connection serves one client only, as its
// far end is shown that client; HTTP/1.1 ones are used again, latest first, HTTP/2 ones carry many
// requests at once. Owned by the worker; lives on its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "culvert/base/error.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/task.hpp"
#include "culvert/l7/traffic_policy.hpp"
#include "waypoint/entry/arrival.hpp"
#include "waypoint/http/cluster_quota.hpp"
#include "waypoint/http/exchange.hpp"
#include "waypoint/http/server.hpp"
#include "waypoint/upstream/dialer.hpp"

namespace culvert::waypoint {

struct PoolOptions {
  http::Limits limits;
  /// Connections of all endpoints together; beyond it the one that has been idle longest is closed,
  /// and if none is, opening fails with kLimit.
  std::size_t max_connections = 8192;
  h2::Budget* budget = nullptr;  // as ServerOptions::budget
};

/// What a request needs of a connection. The references outlive open().
struct UpstreamRequest {
  const Endpoint& to;
  HttpVersion version;  // worked out of the policy's protocol, the port's and the client's
  /// RFC 8441: over HTTP/2 the upstream must have announced it; else kRefused.
  bool websocket = false;
  const Client& client;
  const l7::ConnectionPool& limits;
  std::shared_ptr<ClusterQuota> quota;
};

class HttpPool {
 public:
  /// `dialer` outlives the pool.
  HttpPool(Dialer& dialer, PoolOptions options);
  ~HttpPool();  // close() came before

  /// A connection that is idle, or has room for one more stream; else a new one, or the next that
  /// comes free where limits.max_connections are open in the cluster (ClusterQuota::take()).
  /// Errors: kLimit with origin kLocal (overflow: max_pending_requests wait
  /// already, told at once; or the pool's own bound), kTimeout (`deadline`), those of
  /// Dialer::dial(), kCancelled. The exchange must end before the pool is closed.
  [[clang::coro_wrapper]] io::Task<Result<std::unique_ptr<ClientExchange>>> open(
      const UpstreamRequest& request, io::Deadline deadline);

  /// open() where it need not wait: a connection that is idle, or has room for one more stream.
  /// Null: ask open().
  std::unique_ptr<ClientExchange> try_open(const UpstreamRequest& request);

  /// No new request goes to connections that are open now; those under way end in order. For an
  /// endpoint that left, or whose policy changed.
  void retire(const Endpoint& endpoint);
  /// Ends all connections and waits for their fibers. Once; exchanges have ended.
  [[clang::coro_wrapper]] io::Task<> close();

  struct Counts {
    std::size_t connections = 0;
    std::size_t idle = 0;
    std::uint64_t opened = 0;  // since the start
    std::uint64_t reused = 0;  // requests that went over a connection that had served one before
  };
  Counts counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::waypoint
