#include "waypoint/upstream/own_waypoint.hpp"

#include "culvert/mesh/waypoint.hpp"

namespace culvert::waypoint {

bool is_own(const mesh::Snapshot& mesh, const mesh::GatewayAddress& address,
            const mesh::Workload& self) {
  return mesh::is_own_waypoint(mesh, address, self);
}

}  // namespace culvert::waypoint
