// GET /metrics: everything that is scraped of a ztunnel.
#pragma once

#include "culvert/admin/http_server.hpp"
#include "culvert/io/loop.hpp"
#include "ztunnel/admin/admin.hpp"

namespace culvert::ztunnel {

/// From a server's thread; `loop` is the control loop. Text or OpenMetrics by the request's Accept.
/// 503 when a loop does not answer in time.
admin::Response metrics_page(io::Loop& loop, const std::shared_ptr<const Observed>& observed,
                             const admin::Request& request);

}  // namespace culvert::ztunnel
