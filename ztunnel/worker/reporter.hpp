// Turns connections into access-log lines and metrics. One a worker, on its thread.
#pragma once

#include "culvert/base/error.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/telemetry/access_log.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"

namespace culvert::ztunnel {

/// Fills what telemetry says of a workload. Identity is set by who verified it.
telemetry::Party party_of(const mesh::Workload& workload);

class Reporter {
 public:
  /// Both outlive the reporter; `json`: the access log's form.
  Reporter(telemetry::WorkerTraffic& traffic, telemetry::LineWriter& lines, bool json)
      : traffic_(traffic), lines_(lines), json_(json) {}

  telemetry::TrafficSeries& series(const telemetry::ConnectionRecord& record) {
    return traffic_.series(record);
  }
  /// Writes the line if its level is on.
  void log(telemetry::AccessEvent event, const telemetry::ConnectionRecord& record);

 private:
  telemetry::WorkerTraffic& traffic_;
  telemetry::LineWriter& lines_;
  const bool json_;
};

/// The record of one connection on its way through a worker: opened once, finished exactly once, by
/// the destructor if need be (a connection that was stopped).
class Report {
 public:
  Report(Reporter& reporter, telemetry::Direction direction);
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  ~Report();

  telemetry::ConnectionRecord record;

  /// The connection is established end to end: from now on it counts as opened.
  void open();
  /// Ends it in order.
  void finish();
  /// Ends it with a failure; sets error text and flag.
  void fail(const Error& error);
  /// Ends it as refused by policy.
  void deny(std::string policy, const char* reason);
  /// Ends it as cut by us: why, and the policy that refuses it now or "".
  void cut(std::string why, std::string policy, telemetry::ResponseFlag flag);
  /// Nothing to report: what it carried reports for itself.
  void dismiss() { ended_ = true; }

 private:
  void end();
  Reporter& reporter_;
  telemetry::TrafficSeries* series_ = nullptr;  // set when opened
  io::Clock::time_point start_ = io::Clock::now();
  bool ended_ = false;
};

}  // namespace culvert::ztunnel
