// How a destination is spoken to: a DestinationRule's trafficPolicy with Istio's inheritance worked
// out, and a value in every field. docs/defaults.md has the defaults and their sources.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "culvert/l7/retry.hpp"

namespace istio::networking::v1alpha3 {
class Subset;
class TrafficPolicy;
}  // namespace istio::networking::v1alpha3

namespace culvert::l7 {

inline constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();

enum class Balancer : std::uint8_t { kLeastRequest, kRoundRobin, kRandom, kPassthrough };

struct TcpKeepalive {
  // Zero: the kernel's own.
  std::uint32_t probes = 0;
  std::chrono::milliseconds time{0};
  std::chrono::milliseconds interval{0};
  bool operator==(const TcpKeepalive&) const = default;
};

struct PingKeepalive {
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};
  bool operator==(const PingKeepalive&) const = default;
};

enum class UpstreamProtocol : std::uint8_t {
  kByPort,  // HTTP/2 where the port says so, else HTTP/1.1
  kHttp2,
  kAsClient,  // as the request came
};

struct ConnectionPool {
  std::uint32_t max_connections = kUnlimited;
  std::chrono::milliseconds connect_timeout{10'000};
  std::optional<TcpKeepalive> tcp_keepalive;
  std::optional<std::chrono::milliseconds> max_connection_duration;
  /// Without a request; zero: for ever.
  std::chrono::milliseconds idle_timeout{3'600'000};
  /// Of TCP that is passed through, in which nothing moves; zero: for ever.
  std::chrono::milliseconds tcp_idle_timeout{3'600'000};
  std::uint32_t max_pending_requests = kUnlimited;
  std::uint32_t max_requests = kUnlimited;
  std::uint32_t max_requests_per_connection = 0;  // 0: any number
  std::uint32_t max_retries = kUnlimited;
  std::uint32_t max_concurrent_streams = std::numeric_limits<std::int32_t>::max();
  UpstreamProtocol protocol = UpstreamProtocol::kByPort;
  std::optional<PingKeepalive> ping;
  bool operator==(const ConnectionPool&) const = default;
};

struct OutlierPolicy {
  std::uint32_t consecutive_5xx = 5;             // 0: not looked at
  std::uint32_t consecutive_gateway_errors = 0;  // 0: not looked at
  bool split_local_origin = false;
  std::uint32_t consecutive_local_origin = 5;  // only where split
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds base_ejection_time{30'000};
  std::uint32_t max_ejection_percent = 10;
  std::uint32_t min_health_percent = 0;
  std::vector<std::uint16_t> error_codes;  // empty: 5xx
  bool operator==(const OutlierPolicy&) const = default;
};

struct TrafficPolicy {
  Balancer balancer = Balancer::kLeastRequest;
  ConnectionPool pool;
  std::optional<OutlierPolicy> outlier;
  std::optional<RetryBudget> retry_budget;
  bool operator==(const TrafficPolicy&) const = default;
};

/// The policy of `port`: the settings of a level replace those of the level above it by whole
/// blocks (loadBalancer, connectionPool, outlierDetection); those of a port replace them all, so
/// that a block which they do not have is at its default (as Istio documents). `top` and `subset`
/// may be null. Values that validators refuse are taken as far as they make sense, never trusted.
TrafficPolicy effective_policy(const ::istio::networking::v1alpha3::TrafficPolicy* top,
                               const ::istio::networking::v1alpha3::TrafficPolicy* subset,
                               std::uint16_t port);

}  // namespace culvert::l7
