// What a DestinationRule says of a TCP connection that is passed through: whether it may be, with
// whom, and for how long.
#pragma once

#include <memory>
#include <optional>

#include "culvert/io/loop.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "waypoint/upstream/cluster_state.hpp"

namespace culvert::waypoint {

/// How often within its idle time a connection is looked at.
inline constexpr int kLooksAtTcp = 8;

/// A connection's place in its cluster and at a host of it, while this lives; none at first. On
/// the worker's loop.
class TcpPlace final : io::Timer {
 public:
  TcpPlace() = default;
  TcpPlace(const TcpPlace&) = delete;
  TcpPlace& operator=(const TcpPlace&) = delete;
  ~TcpPlace();

  /// A place at `host`, which is of `cluster`; once. False: connectionPool.tcp.maxConnections are
  /// open in the cluster, those of HTTP counted too.
  bool take(ClusterStatePtr cluster, HostPtr host);
  /// How reaching the host ended, for outlier detection. No effect without a place.
  void tell_reached(bool reached);
  /// From now on `live`, of `table`, is cut when nothing moved in it for
  /// connectionPool.tcp.idleTimeout (told up to an eighth of that later), and
  /// maxConnectionDuration after now. Both outlive this. No effect without a place.
  void watch(proxy::LiveConnections& table, proxy::LiveConnection& live);

 private:
  void expired() override;
  void look_again();

  ClusterStatePtr cluster_;
  std::shared_ptr<ClusterQuota> quota_;  // where it is counted; null: nowhere
  std::optional<HostLease> lease_;
  proxy::LiveConnections* table_ = nullptr;
  proxy::LiveConnection* live_ = nullptr;
  std::chrono::milliseconds idle_{0};  // zero: for ever
  io::Deadline moved_at_{};
  io::Deadline over_at_ = io::kNoDeadline;
  std::uint64_t seen_bytes_ = 0;
};

}  // namespace culvert::waypoint
