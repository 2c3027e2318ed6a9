// GET /metrics, for Prometheus. On a server's thread, which asks the loops.
#pragma once

#include <memory>
#include <optional>

#include "waypoint/admin/admin.hpp"

namespace culvert::waypoint {

/// nullopt: a loop did not answer in time.
std::optional<admin::Response> metrics_page(io::Loop& loop,
                                            const std::shared_ptr<const Observed>& observed,
                                            const admin::Request& request);

}  // namespace culvert::waypoint
