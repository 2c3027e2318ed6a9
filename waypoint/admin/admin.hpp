// What a waypoint tells about itself over HTTP: administration (loopback), metrics, readiness. The
// servers have threads of their own; each answer is made on the loop that owns what it tells.
#pragma once

#include <memory>
#include <vector>

#include "culvert/admin/http_server.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/proxy/certificates.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/telemetry/cpu_profiler.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "waypoint/control/view_feed.hpp"
#include "waypoint/settings.hpp"
#include "waypoint/worker/retirement.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

/// The parts that the answers are read from; on the control loop's thread unless it says
/// otherwise.
struct Observed {
  const proxy::ControlLink* control;
  const ViewFeed* feed;
  const proxy::Certificates* certificates;
  Retirement* retirement;
  telemetry::TrafficMetrics* metrics;                   // any thread
  RequestTelemetry* requests;                           // any thread
  const proxy::TrustCounters* trust;                    // any thread
  const telemetry::LineWriter* lines;                   // any thread
  const h2::Budget* budget;                             // any thread
  const std::vector<std::unique_ptr<Worker>>* workers;  // asked by messages
};

class Admin {
 public:
  /// A profile that is being taken ends now.
  ~Admin() { profiler_.stop(); }
  /// GET /healthz/ready on the readiness address; GET /metrics and /stats/prometheus on the metrics
  /// address; on the administration address what GET / lists. `loop` is the control loop and runs
  /// until the Admin is gone.
  static Result<std::unique_ptr<Admin>> start(const Settings& settings, io::Loop& loop,
                                              Observed observed);

 private:
  telemetry::CpuProfiler profiler_;
  std::vector<std::unique_ptr<admin::HttpServer>> servers_;
};

/// What is still missing before connections can be served: empty when ready.
std::vector<std::string> pending_tasks(const Observed& observed);

}  // namespace culvert::waypoint
