// Arrival: where a connection came in, and from whom: what every request on it has in common. Made
// by entry/, read by everything behind it; lives as long as the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "culvert/base/ip.hpp"
#include "culvert/mesh/identity.hpp"
#include "culvert/mesh/workload.hpp"

namespace culvert::waypoint {

/// Who asks. Behind a tunnel the identity is the one that the client's certificate proved.
struct Client {
  std::optional<mesh::Identity> identity;  // nullopt: not of the mesh (at an edge)
  SocketAddress address;                   // the application's own
  /// By `address`, if its identity is `identity`; null otherwise.
  mesh::WorkloadPtr workload;
};

inline constexpr const char* kAtEdge = "edge";

struct Arrival {
  Client client;
  /// l7::kMesh, or kAtEdge: which Gateway decides follows from the request's host and the port.
  std::string gateway;
  /// The service that was addressed (by VIP or name); null when a workload was, and at an edge.
  mesh::ServicePtr service;
  /// The workload that was addressed; null when a service was, and at an edge.
  mesh::WorkloadPtr workload;
  /// As addressed: a port of the service, the workload's, or the edge's.
  SocketAddress destination;
};

}  // namespace culvert::waypoint
