// Which waypoint an address names: this one, or another. Pure.
#pragma once

#include "culvert/mesh/snapshot.hpp"

namespace culvert::waypoint {

/// Whether `address` names the waypoint that `self` is a workload of.
bool is_own(const mesh::Snapshot& mesh, const mesh::GatewayAddress& address,
            const mesh::Workload& self);

}  // namespace culvert::waypoint
