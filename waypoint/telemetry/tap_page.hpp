// GET /tap: what happened to requests since one asked last, a JSON object a line. Admin threads.
#pragma once

#include "culvert/admin/http_server.hpp"
#include "waypoint/telemetry/tap.hpp"

namespace culvert::waypoint {

/// The first line is {"next": N, "lost": M}: ask with ?after=N for what comes then; M events were
/// not kept. Without ?after nothing is told yet of any request. 400 for what is no number.
admin::Response tap_page(Tap& tap, const admin::Request& request);

}  // namespace culvert::waypoint
