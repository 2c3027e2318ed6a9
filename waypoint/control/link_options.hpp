// What a waypoint asks control for, and as whom.
#pragma once

#include "culvert/proxy/control_link.hpp"
#include "waypoint/settings.hpp"

namespace culvert::waypoint {

proxy::ControlLinkOptions link_options(const Settings& settings);

}  // namespace culvert::waypoint
