// What ztunnel tells about itself over HTTP: administration (loopback), metrics, readiness. The
// servers have threads of their own; each answer is made on the loop that owns what it tells.
#pragma once

#include <memory>
#include <vector>

#include "culvert/admin/http_server.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/telemetry/cpu_profiler.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "ztunnel/settings.hpp"

namespace culvert::proxy {
class ControlLink;
class Certificates;
class MeshFeed;
struct TrustCounters;
}  // namespace culvert::proxy

namespace culvert::ztunnel {

class ZdsLink;
class PodRegistry;
class Retirement;
class DrainingLinks;
class Worker;

/// The parts that the answers are read from; on the control loop's thread unless it says
/// otherwise.
struct Observed {
  const proxy::ControlLink* control;
  const proxy::MeshFeed* feed;
  const ZdsLink* zds;
  const PodRegistry* registry;
  const proxy::Certificates* certificates;
  Retirement* retirement;
  telemetry::TrafficMetrics* metrics;                   // any thread
  const proxy::TrustCounters* trust;                    // any thread
  const telemetry::LineWriter* lines;                   // any thread
  const h2::Budget* budget;                             // any thread
  const std::vector<std::unique_ptr<Worker>>* workers;  // asked by messages
  const DrainingLinks* draining;                        // null: without a state folder
};

class Admin {
 public:
  /// GET /healthz/ready on the readiness address; GET /metrics and /stats/prometheus on the metrics
  /// address; on the administration address what GET / lists. `loop` is the control loop and runs
  /// until the Admin is gone.
  static Result<std::unique_ptr<Admin>> start(const Settings& settings, io::Loop& loop,
                                              Observed observed);
  /// All of these on one Unix socket, for a process that drains beside its successor.
  static Result<std::unique_ptr<Admin>> start_private(const Settings& settings, io::Loop& loop,
                                                      Observed observed, const std::string& path);

  /// Ends a profile that is being taken, then the servers.
  ~Admin() { profiler_.stop(); }

 private:
  telemetry::CpuProfiler profiler_;
  std::vector<std::unique_ptr<admin::HttpServer>> servers_;
};

/// What is still missing before pods can be served: empty when ready.
std::vector<std::string> pending_tasks(const Observed& observed);

/// 503: a loop did not answer in time.
admin::Response busy();

}  // namespace culvert::ztunnel
