#include "culvert/l7/traffic_policy.hpp"

#include "destination_rule.pb.h"
#include "read.hpp"

namespace culvert::l7 {
namespace {

namespace v1 = ::istio::networking::v1alpha3;

/// The blocks that are in force; null: defaults.
struct Blocks {
  const v1::LoadBalancerSettings* balancer = nullptr;
  const v1::ConnectionPoolSettings* pool = nullptr;
  const v1::OutlierDetection* outlier = nullptr;
  const v1::TrafficPolicy::RetryBudget* budget = nullptr;
};

void overlay(Blocks& blocks, const v1::TrafficPolicy& policy, std::uint16_t port) {
  if (policy.has_load_balancer()) blocks.balancer = &policy.load_balancer();
  if (policy.has_connection_pool()) blocks.pool = &policy.connection_pool();
  if (policy.has_outlier_detection()) blocks.outlier = &policy.outlier_detection();
  if (policy.has_retry_budget()) blocks.budget = &policy.retry_budget();
  for (const auto& own : policy.port_level_settings()) {
    if (own.port().number() != port) continue;
    blocks.balancer = own.has_load_balancer() ? &own.load_balancer() : nullptr;
    blocks.pool = own.has_connection_pool() ? &own.connection_pool() : nullptr;
    blocks.outlier = own.has_outlier_detection() ? &own.outlier_detection() : nullptr;
    return;
  }
}

Balancer read_balancer(const v1::LoadBalancerSettings& settings) {
  switch (settings.simple()) {
    case v1::LoadBalancerSettings::ROUND_ROBIN:
      return Balancer::kRoundRobin;
    case v1::LoadBalancerSettings::RANDOM:
      return Balancer::kRandom;
    case v1::LoadBalancerSettings::PASSTHROUGH:
      return Balancer::kPassthrough;
    default:
      return Balancer::kLeastRequest;
  }
}

void read_tcp(const v1::ConnectionPoolSettings::TCPSettings& tcp, ConnectionPool& pool) {
  pool.max_connections = positive_or(tcp.max_connections(), kUnlimited);
  if (tcp.has_connect_timeout()) pool.connect_timeout = to_ms(tcp.connect_timeout());
  if (tcp.has_max_connection_duration()) {
    pool.max_connection_duration = to_ms(tcp.max_connection_duration());
  }
  if (tcp.has_idle_timeout()) {
    pool.idle_timeout = pool.tcp_idle_timeout = to_ms(tcp.idle_timeout());
  }
  if (!tcp.has_tcp_keepalive()) return;
  const auto& keepalive = tcp.tcp_keepalive();
  pool.tcp_keepalive =
      TcpKeepalive{keepalive.probes(), to_ms(keepalive.time()), to_ms(keepalive.interval())};
}

void read_http(const v1::ConnectionPoolSettings::HTTPSettings& http, ConnectionPool& pool) {
  using Settings = v1::ConnectionPoolSettings::HTTPSettings;
  const ConnectionPool defaults;
  pool.max_pending_requests =
      positive_or(http.http1_max_pending_requests(), defaults.max_pending_requests);
  pool.max_requests = positive_or(http.http2_max_requests(), defaults.max_requests);
  pool.max_requests_per_connection = positive_or(http.max_requests_per_connection(), 0);
  pool.max_retries = positive_or(http.max_retries(), defaults.max_retries);
  pool.max_concurrent_streams =
      positive_or(http.max_concurrent_streams(), defaults.max_concurrent_streams);
  if (http.has_idle_timeout()) pool.idle_timeout = to_ms(http.idle_timeout());
  if (http.use_client_protocol()) {
    pool.protocol = UpstreamProtocol::kAsClient;
  } else if (http.h2_upgrade_policy() == Settings::UPGRADE) {
    pool.protocol = UpstreamProtocol::kHttp2;
  }  // DO_NOT_UPGRADE is what the mesh does by itself: there is no mesh-wide upgrade to opt out of
  if (http.has_http2_keep_alive()) {
    pool.ping = PingKeepalive{to_ms(http.http2_keep_alive().interval()),
                              to_ms(http.http2_keep_alive().timeout())};
  }
}

OutlierPolicy read_outlier(const v1::OutlierDetection& from) {
  OutlierPolicy outlier;
  if (from.has_consecutive_5xx_errors()) {
    outlier.consecutive_5xx = from.consecutive_5xx_errors().value();
  }
  outlier.consecutive_gateway_errors = from.consecutive_gateway_errors().value();
  outlier.split_local_origin = from.split_external_local_origin_errors();
  if (from.consecutive_local_origin_failures().value() > 0) {
    outlier.consecutive_local_origin = from.consecutive_local_origin_failures().value();
  }
  if (from.has_interval()) outlier.interval = to_ms(from.interval());
  if (from.has_base_ejection_time()) outlier.base_ejection_time = to_ms(from.base_ejection_time());
  outlier.max_ejection_percent =
      positive_or(std::min(from.max_ejection_percent(), 100), outlier.max_ejection_percent);
  outlier.min_health_percent = positive_or(std::min(from.min_health_percent(), 100), 0);
  for (const auto code : from.outlier_detection_http_error_codes()) {
    if (code >= 100 && code <= 599) {
      outlier.error_codes.push_back(static_cast<std::uint16_t>(code));
    }
  }
  return outlier;
}

RetryBudget read_budget(const v1::TrafficPolicy::RetryBudget& from) {
  RetryBudget budget;
  if (from.has_percent()) budget.percent = std::clamp(from.percent().value(), 0.0, 100.0);
  budget.min_concurrency = positive_or(from.min_retry_concurrency(), budget.min_concurrency);
  budget.interval = to_ms(from.budget_interval());
  return budget;
}

}  // namespace

TrafficPolicy effective_policy(const v1::TrafficPolicy* top, const v1::TrafficPolicy* subset,
                               std::uint16_t port) {
  Blocks blocks;
  if (top) overlay(blocks, *top, port);
  if (subset) overlay(blocks, *subset, port);
  TrafficPolicy policy;
  if (blocks.balancer) policy.balancer = read_balancer(*blocks.balancer);
  if (blocks.pool) {
    read_tcp(blocks.pool->tcp(), policy.pool);
    read_http(blocks.pool->http(), policy.pool);
  }
  if (blocks.outlier) policy.outlier = read_outlier(*blocks.outlier);
  if (blocks.budget) policy.retry_budget = read_budget(*blocks.budget);
  return policy;
}

}  // namespace culvert::l7
