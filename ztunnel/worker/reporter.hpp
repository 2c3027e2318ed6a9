// Turns finished connections into access-log lines and metrics. One a worker.
#pragma once

#include "culvert/base/error.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/telemetry/connection_record.hpp"

namespace culvert::ztunnel {

/// Fills what telemetry says of a workload. Identity is set by who verified it.
telemetry::Party party_of(const mesh::Workload& workload);

class Reporter {
 public:
  void opened(const telemetry::ConnectionRecord& record);
  void closed(const telemetry::ConnectionRecord& record);
  void failed(const telemetry::ConnectionRecord& record);
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
  /// Nothing to report: what it carried reports for itself.
  void dismiss() { ended_ = true; }

 private:
  void end();
  Reporter& reporter_;
  io::Clock::time_point start_ = io::Clock::now();
  bool opened_ = false;
  bool ended_ = false;
};

}  // namespace culvert::ztunnel
