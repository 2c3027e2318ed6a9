// GET /metrics: the agent's own figures for Prometheus, on its Unix socket and on --metrics-port.
// ztunnel's page (15020) knows connections; how full the capture maps are only the agent knows.
// Runs on the servers' threads.
#pragma once

#include <vector>

#include "culvert/admin/http_server.hpp"
#include "enrollment.hpp"
#include "handover.hpp"

namespace culvert::agent {

struct MetricsContext {
  Enrollment& enrollment;
  Handover& handover;
};

/// `context`'s references outlive the server that gets the routes.
std::vector<admin::Route> metrics_routes(MetricsContext context);

}  // namespace culvert::agent
