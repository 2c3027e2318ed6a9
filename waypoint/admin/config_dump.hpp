// GET /config_dump. On the control loop's thread.
#pragma once

#include <string>

#include "waypoint/admin/admin.hpp"

namespace culvert::waypoint {

/// JSON: who the waypoint is, its entry in the mesh, its certificate, and of what it knows how many
/// and the names of hosts with rules.
std::string config_dump(const Settings& settings, const Observed& observed);

}  // namespace culvert::waypoint
