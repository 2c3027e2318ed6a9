// All that is said of one connection when it ends: the access log line and the metrics are made
// from this. ztunnel fills one a connection, on the connection's worker, and finishes it once.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "culvert/base/ip.hpp"
#include "culvert/telemetry/shared.hpp"

namespace culvert::telemetry {

/// Who reports: the source's side of a connection, the destination's, or a waypoint between them.
enum class Direction : std::uint8_t { kOutbound, kInbound, kWaypoint };
inline constexpr int kDirectionCount = static_cast<int>(Direction::kWaypoint) + 1;
/// "outbound", "inbound", "waypoint": in logs.
const char* to_string(Direction direction);
/// "source", "destination", "waypoint": Istio's label `reporter`.
const char* reporter_of(Direction direction);

/// Istio's L4 response_flags: ztunnel's own set; and at a waypoint, of a server that was not
/// reached, those by which Envoy says so of requests too (exchange_end.hpp). kNone is "-".
enum class ResponseFlag : std::uint8_t {
  kNone,
  kDeny,
  kConnect,
  kTlsFailure,
  kH2Handshake,
  kNetworkPolicy,
  kIdentityError,
  kCertRevoked,
  kNoHealthyUpstream,
  kUpstreamFailure,
  kUpstreamOverflow,
  kConfigRefused,
};
inline constexpr int kResponseFlagCount = static_cast<int>(ResponseFlag::kConfigRefused) + 1;
/// "-", "DENY", "CONNECT", ... as the label says it.
const char* to_string(ResponseFlag flag);
/// The flag whose label is `text` (error_info's log_flag, an ExchangeFlag's); kNone for any other
/// text.
ResponseFlag response_flag(const char* text);

/// What is known of one end. Empty strings are unknown: left out of logs, "unknown" in metrics.
struct Party {
  std::string workload;  // name of the owner, e.g. the Deployment
  std::string pod;       // name of the pod itself, for logs
  std::string namespace_name;
  std::string identity;  // verified SPIFFE id; empty over plaintext
  std::string cluster;
  std::string canonical_service;
  std::string canonical_revision;
  std::string app;      // empty: the canonical service
  std::string version;  // empty: the canonical revision
  std::string region;
  std::string zone;
};

/// The service that was addressed. Empty strings: the connection was not by service.
struct ServiceName {
  std::string hostname;  // "web.shop.svc.cluster.local"
  std::string namespace_name;
  std::string name;  // "web"
};

/// Why a connection did not end in order.
struct Outcome {
  std::string error;   // empty on success; what failed, in words
  std::string policy;  // "namespace/name" of the policy that refused; empty otherwise
};

/// W3C Trace Context, as the tunnel's CONNECT carries it: "00-ID-SPAN-FLAGS".
struct Trace {
  std::array<std::uint8_t, 16> id{};
  std::array<std::uint8_t, 8> span{};
  std::uint8_t flags = 0;
  /// The `traceparent` header's text.
  std::string to_string() const;
  bool operator==(const Trace&) const = default;
};

/// Small, as each open connection holds one: names are shared with other connections' records.
struct ConnectionRecord {
  Direction direction = Direction::kOutbound;
  ResponseFlag flag = ResponseFlag::kNone;
  bool mutual_tls = false;
  SocketAddress source_address;
  SocketAddress destination_address;  // where our socket connected to, or was connected at
  std::optional<SocketAddress> original_address;  // what the application asked for, outbound
  std::optional<SocketAddress> hbone_address;     // CONNECT's target; nullopt without a tunnel
  std::optional<Trace> trace;                     // nullopt: none was carried or made
  Shared<Party> source;
  Shared<Party> destination;
  Shared<Party> via;  // the waypoint that speaks for the source; nobody: none does
  Shared<ServiceName> service;
  // As the source sees them, at both reporters. Metrics name them the other way round, as Istio's:
  // there "received" is the request's direction.
  std::uint64_t bytes_sent = 0;      // by the source, which opened the connection
  std::uint64_t bytes_received = 0;  // by the source
  std::chrono::steady_clock::duration duration{};
  Shared<Outcome> outcome;
};

}  // namespace culvert::telemetry
