// RequestLog: what becomes of the record of a request that is over: metrics, the access log, and
// whoever watches. One a worker, on its thread.
#pragma once

#include <string>
#include <vector>

#include "culvert/telemetry/access_filter.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/request_metrics.hpp"
#include "waypoint/exchange/context.hpp"
#include "waypoint/telemetry/tap.hpp"

namespace culvert::waypoint {

/// What the workers' logs share; outlives them.
struct RequestTelemetry {
  explicit RequestTelemetry(std::size_t workers) : metrics(workers) {}
  telemetry::RequestMetrics metrics;  // of as many workers
  Tap tap;
};

class RequestLog final : public ExchangeLog {
 public:
  /// All outlive it. `json`: the log's form; `filter` says which requests get a line.
  RequestLog(telemetry::WorkerRequests& requests, Tap& tap, telemetry::LineWriter& lines, bool json,
             telemetry::AccessFilter filter)
      : requests_(requests), tap_(tap), lines_(lines), json_(json), filter_(std::move(filter)) {}

  void ended(const telemetry::ExchangeRecord& record) override;
  void began(telemetry::ExchangeRecord& record, io::Deadline now) override;
  void went_on(const telemetry::ExchangeRecord& record, telemetry::ExchangeEvent event,
               const telemetry::AttemptRecord& attempt) override;
  /// What was counted since the last time.
  std::vector<telemetry::CountedRequests> collect(telemetry::WorkerRequests::TimePoint now) {
    return requests_.collect(now);
  }
  std::vector<telemetry::CountedRoutes> collect_routes(telemetry::WorkerRequests::TimePoint now) {
    return requests_.collect_routes(now);
  }

 private:
  telemetry::WorkerRequests& requests_;
  Tap& tap_;
  telemetry::LineWriter& lines_;
  const bool json_;
  telemetry::AccessFilter filter_;
  std::string line_;  // its memory is used again
};

}  // namespace culvert::waypoint
