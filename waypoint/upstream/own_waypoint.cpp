#include "waypoint/upstream/own_waypoint.hpp"

#include "culvert/mesh/waypoint.hpp"

namespace culvert::waypoint {

bool is_own(const mesh::Snapshot& mesh, const mesh::GatewayAddress& address,
            const mesh::Workload& self) {
  const auto named = mesh::find_waypoint(mesh, address, self.ns);
  if (named.workload != nullptr) return named.workload->uid == self.uid;
  return named.service != nullptr && self.services.contains(named.service->key());
}

}  // namespace culvert::waypoint
