// Dialer: opens the byte streams on which upstreams are spoken to. The seam between connection
// pools and the mesh: behind it stand HBONE tunnels, plain sockets, or a test's memory.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "culvert/base/error.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/task.hpp"
#include "culvert/l7/traffic_policy.hpp"
#include "culvert/mesh/workload.hpp"
#include "waypoint/entry/arrival.hpp"

namespace culvert::waypoint {

/// An endpoint of a cluster, as a request is sent to it.
struct Endpoint {
  mesh::WorkloadPtr workload;  // null: not of the mesh (a static endpoint of a ServiceEntry)
  SocketAddress address;       // of the application: the workload's address and the target port
  /// Not null: `workload` is a waypoint of this service, at an edge, and `address` the service's
  /// own (without an address where it has none) and its port, which the waypoint is asked for.
  mesh::ServicePtr behind_waypoint = nullptr;
};

/// How a stream to it is to be opened.
struct DialOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::optional<l7::TcpKeepalive> keepalive;  // a tunnel has that of who asked last
};

class Dialer {
 public:
  virtual ~Dialer() = default;
  /// A stream whose far end is the application at `to`. `client` is told on to the destination's
  /// ztunnel, which shows the application that address as its peer; at an edge nothing is told.
  /// Errors have origin kUpstream, or kLocal and kControl before the network was reached: kTimeout,
  /// kRefused, kTls, kIdentity, kDenied (policy there), kNoCertificate, kLimit.
  virtual io::Task<Result<std::unique_ptr<io::ByteStream>>> dial(const Endpoint& to,
                                                                 const Client& client,
                                                                 const DialOptions& options) = 0;
};

}  // namespace culvert::waypoint
