// What a CONNECT to a waypoint asks for. Pure.
#pragma once

#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/hbone/authority.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::waypoint {

/// A service, or else a workload, and the address and port that were asked for.
struct Target {
  mesh::ServicePtr service;
  mesh::WorkloadPtr workload;
  SocketAddress destination;
};

/// The target of `authority`, for a client in `client_ns`: a service by VIP or host name, or a
/// workload by address. kInvalid (origin kClient): nobody in the mesh, a port that the service does
/// not have, or somebody who does not name this waypoint: it is nobody's open proxy.
Result<Target> find_target(const mesh::Snapshot& mesh, const mesh::Workload& self,
                           const hbone::Authority& authority, std::string_view client_ns);

}  // namespace culvert::waypoint
