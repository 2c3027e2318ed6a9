// Brings what the workers counted into the table of sums: when somebody scrapes, and now and then
// without, so that idle label sets go and workers have room for new ones.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "culvert/io/task.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

inline constexpr auto kCollectInterval = std::chrono::seconds(15);

/// What the workers have open, summed.
struct OpenNow {
  std::size_t outbound_sockets = 0;  // accepted, of connections that start here
  std::size_t inbound_sockets = 0;   // accepted, HBONE and plaintext
  std::size_t connections = 0;       // in the tables of live connections

  OpenNow& operator+=(const OpenNow& other);
};

using Workers = std::vector<std::unique_ptr<Worker>>;

/// From a server's thread: has every worker deposit what it counted, and settles. nullopt when a
/// worker does not answer in time; what it counted comes later.
std::optional<OpenNow> collect_now(const Workers& workers, telemetry::TrafficMetrics& metrics);

/// The same on the control loop's thread: waits for the workers, and at most kAnswerTimeout.
io::Task<OpenNow> collect_on_loop(io::Loop& loop, const Workers& workers,
                                  telemetry::TrafficMetrics& metrics);

/// The same every kCollectInterval, until its fiber is stopped. On the control loop; both outlive
/// it.
io::Task<> keep_collecting(const Workers* workers, telemetry::TrafficMetrics* metrics);

}  // namespace culvert::ztunnel
