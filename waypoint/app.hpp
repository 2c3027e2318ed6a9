// The composition root: makes the parts, connects them, runs them, takes them down.
#pragma once

#include "waypoint/settings.hpp"

namespace culvert::waypoint {

/// Runs until SIGTERM or SIGINT. Returns the process's exit status: 0 after a clean end, 1 when it
/// could not start (the reason is in the log).
int run(const Settings& settings);

}  // namespace culvert::waypoint
