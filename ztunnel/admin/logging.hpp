// /logging: which log lines are written, asked and changed while ztunnel runs.
#pragma once

#include <expected>
#include <map>
#include <mutex>
#include <string>

#include "culvert/admin/http_server.hpp"
#include "culvert/base/log.hpp"
#include "culvert/proxy/reporter.hpp"
#include "ztunnel/admin/collect.hpp"

namespace culvert::ztunnel {

/// The two components that have a level: "ztunnel" (everything but connections) and "access".
struct LogSettings {
  log::Level ztunnel = log::Level::kInfo;
  proxy::AccessLog access;
  /// "ztunnel=info,access=off filter=errors"
  std::string to_string() const;
};

/// `current` with what a query changes: level=LEVEL (both components), level=COMPONENT:LEVEL,...
/// (":" or "="), access_filter=FILTER (telemetry::AccessFilter; "" lets everything through), reset
/// (back to `initial` before the rest). LEVEL: error, warn, info, debug, trace (as debug), and off
/// for access. All or nothing; the error says what is wrong and what is possible.
std::expected<LogSettings, std::string> change_log_settings(
    const LogSettings& initial, const LogSettings& current,
    const std::map<std::string, std::string>& query);

/// GET tells, POST changes; any thread.
class Logging {
 public:
  /// What the flags say. `workers` outlives it.
  Logging(LogSettings initial, const Workers& workers)
      : initial_(initial), current_(std::move(initial)), workers_(workers) {}
  admin::Response get() const;
  admin::Response post(const admin::Request& request);

 private:
  const LogSettings initial_;
  mutable std::mutex mutex_;
  LogSettings current_;  // guarded by mutex_
  const Workers& workers_;
};

}  // namespace culvert::ztunnel
