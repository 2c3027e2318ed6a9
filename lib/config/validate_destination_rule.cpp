// Istio's rules between the fields of a DestinationRule. What is not honoured yet stands in
// unsupported.cpp.
#include <fmt/format.h>

#include <set>

#include "formats.hpp"
#include "istio_objects.pb.h"
#include "networking_checks.hpp"
#include "validate.hpp"

namespace culvert::config {
namespace {

namespace v1 = ::istio::networking::v1alpha3;

void check_tcp_pool(const v1::ConnectionPoolSettings::TCPSettings& tcp, const std::string& path,
                    Findings& findings) {
  check_not_negative(tcp.max_connections(), path + ".maxConnections", findings);
  if (tcp.has_connect_timeout()) {
    check_duration(tcp.connect_timeout(), path + ".connectTimeout", findings);
  }
  if (tcp.has_max_connection_duration()) {
    check_duration(tcp.max_connection_duration(), path + ".maxConnectionDuration", findings);
  }
  if (tcp.has_idle_timeout()) {
    check_duration(tcp.idle_timeout(), path + ".idleTimeout", findings, ZeroDuration::kAllowed);
  }
  const auto& keepalive = tcp.tcp_keepalive();
  if (keepalive.has_time()) {
    check_duration(keepalive.time(), path + ".tcpKeepalive.time", findings);
  }
  if (keepalive.has_interval()) {
    check_duration(keepalive.interval(), path + ".tcpKeepalive.interval", findings);
  }
}

void check_http_pool(const v1::ConnectionPoolSettings::HTTPSettings& http, const std::string& path,
                     Findings& findings) {
  check_not_negative(http.http1_max_pending_requests(), path + ".http1MaxPendingRequests",
                     findings);
  check_not_negative(http.http2_max_requests(), path + ".http2MaxRequests", findings);
  check_not_negative(http.max_requests_per_connection(), path + ".maxRequestsPerConnection",
                     findings);
  check_not_negative(http.max_retries(), path + ".maxRetries", findings);
  check_not_negative(http.max_concurrent_streams(), path + ".maxConcurrentStreams", findings);
  if (http.has_idle_timeout()) {
    check_duration(http.idle_timeout(), path + ".idleTimeout", findings, ZeroDuration::kAllowed);
  }
  if (http.use_client_protocol() &&
      http.h2_upgrade_policy() == v1::ConnectionPoolSettings::HTTPSettings::UPGRADE) {
    findings.add(path + ".useClientProtocol", "contradicts h2UpgradePolicy: UPGRADE");
  }
  if (http.has_http2_keep_alive()) {
    check_duration(http.http2_keep_alive().interval(), path + ".http2KeepAlive.interval", findings);
    check_duration(http.http2_keep_alive().timeout(), path + ".http2KeepAlive.timeout", findings);
  }
}

void check_pool(const v1::ConnectionPoolSettings& pool, const std::string& path,
                Findings& findings) {
  if (!pool.has_tcp() && !pool.has_http()) findings.add(path, "needs tcp or http");
  check_tcp_pool(pool.tcp(), path + ".tcp", findings);
  check_http_pool(pool.http(), path + ".http", findings);
}

void check_outlier(const v1::OutlierDetection& outlier, const std::string& path,
                   Findings& findings) {
  if (outlier.has_interval()) check_duration(outlier.interval(), path + ".interval", findings);
  if (outlier.has_base_ejection_time()) {
    check_duration(outlier.base_ejection_time(), path + ".baseEjectionTime", findings);
  }
  check_percent(outlier.max_ejection_percent(), path + ".maxEjectionPercent", findings);
  check_percent(outlier.min_health_percent(), path + ".minHealthPercent", findings);
  if (outlier.has_consecutive_local_origin_failures() &&
      !outlier.split_external_local_origin_errors()) {
    findings.add(path + ".consecutiveLocalOriginFailures",
                 "has no effect without splitExternalLocalOriginErrors: true");
  }
  for (int i = 0; i < outlier.outlier_detection_http_error_codes_size(); ++i) {
    const auto code = outlier.outlier_detection_http_error_codes(i);
    if (code < 100 || code > 599) {
      findings.add(at(path + ".outlierDetectionHttpErrorCodes", i), "must be from 100 to 599");
    }
  }
}

/// Fields that the policy of a destination, a subset and a port have in common.
template <class Policy>
void check_common(const Policy& policy, const std::string& path, Findings& findings) {
  if (policy.has_connection_pool()) {
    check_pool(policy.connection_pool(), path + ".connectionPool", findings);
  }
  if (policy.has_outlier_detection()) {
    check_outlier(policy.outlier_detection(), path + ".outlierDetection", findings);
  }
}

void check_policy(const v1::TrafficPolicy& policy, const std::string& path, Findings& findings) {
  if (policy.ByteSizeLong() == 0) findings.add(path, "needs at least one field");
  check_common(policy, path, findings);
  const auto& budget = policy.retry_budget();
  check_percent(budget.percent().value(), path + ".retryBudget.percent", findings);
  if (budget.has_budget_interval()) {
    check_duration(budget.budget_interval(), path + ".retryBudget.budgetInterval", findings,
                   ZeroDuration::kAllowed);
  }
  std::set<std::uint32_t> ports;
  for (int i = 0; i < policy.port_level_settings_size(); ++i) {
    const auto& port = policy.port_level_settings(i);
    const auto field = at(path + ".portLevelSettings", i);
    check_common(port, field, findings);
    if (!ports.insert(port.port().number()).second) {
      findings.add(field + ".port.number",
                   fmt::format("port {} is there twice", port.port().number()));
    }
  }
}

}  // namespace

void validate_destination_rule(const api::istio::DestinationRule& object, Findings& findings) {
  const auto& spec = object.spec();
  check_host(spec.host(), "spec.host", findings);
  check_export_to(spec.export_to(), "spec.exportTo", findings);
  if (spec.has_traffic_policy())
    check_policy(spec.traffic_policy(), "spec.trafficPolicy", findings);
  std::set<std::string> names;
  for (int i = 0; i < spec.subsets_size(); ++i) {
    const auto& subset = spec.subsets(i);
    const auto path = at("spec.subsets", i);
    if (!names.insert(subset.name()).second) {
      findings.add(path + ".name", fmt::format("a second subset named \"{}\"", subset.name()));
    }
    for (const auto& [key, value] : subset.labels()) {
      if (!is_label_key(key)) {
        findings.add(fmt::format("{}.labels[\"{}\"]", path, key), "is not a label name");
      }
    }
    if (subset.has_traffic_policy()) {
      check_policy(subset.traffic_policy(), path + ".trafficPolicy", findings);
    }
  }
}

}  // namespace culvert::config
