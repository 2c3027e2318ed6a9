// Turns connections into access-log lines and metrics. One a worker, on its thread.
#pragma once

#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/base/log.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/telemetry/access_filter.hpp"
#include "culvert/telemetry/access_log.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"

namespace culvert::proxy {

/// What of the access log is written; may be changed while it runs.
struct AccessLog {
  log::Level level = log::Level::kInfo;
  bool off = false;
  telemetry::AccessFilter filter;
};

class Report;

class Reporter {
 public:
  /// Both outlive the reporter; `json`: the access log's form.
  Reporter(telemetry::WorkerTraffic& traffic, telemetry::LineWriter& lines, bool json,
           AccessLog access)
      : traffic_(traffic), lines_(lines), json_(json), access_(std::move(access)) {}

  telemetry::TrafficSeries& series(const telemetry::ConnectionRecord& record) {
    return traffic_.series(record);
  }
  /// Writes the line if its level is on and the filter wants it.
  void log(telemetry::AccessEvent event, const telemetry::ConnectionRecord& record);
  telemetry::WorkerTraffic& traffic() { return traffic_; }
  void set_access_log(AccessLog access) { access_ = std::move(access); }

  /// What was counted since the last time, with the bytes so far of connections that are open.
  std::vector<telemetry::CountedSeries> collect(io::Clock::time_point now);

 private:
  friend class Report;
  telemetry::WorkerTraffic& traffic_;
  telemetry::LineWriter& lines_;
  const bool json_;
  AccessLog access_;
  Report* open_ = nullptr;  // list of the reports that were opened and have not ended
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

  /// The connection is established end to end: from now on it counts as opened. The relay counts
  /// into `counters`, forward being the source's bytes; it outlives the report's end.
  void open(const RelayCounters* counters);
  /// Ends it in order.
  void finish();
  /// Ends it with a failure: its text and flag. The record's own flag stays in place of CONNECT.
  void fail(const Error& error);
  /// Ends it as refused by policy, or because a waypoint was passed by.
  void deny(const mesh::Verdict& verdict);
  /// Ends it as cut by us: why, and the policy that refuses it now or "".
  void cut(std::string why, std::string policy, telemetry::ResponseFlag flag);
  /// Nothing to report: what it carried reports for itself.
  void dismiss() { ended_ = true; }

 private:
  friend class Reporter;
  void end();
  void count_bytes();
  Reporter& reporter_;
  telemetry::TrafficSeries* series_ = nullptr;  // set when opened
  const RelayCounters* counters_ = nullptr;
  io::Clock::time_point start_ = io::Clock::now();
  Report* previous_ = nullptr;
  Report* next_ = nullptr;
  bool ended_ = false;
};

}  // namespace culvert::proxy
