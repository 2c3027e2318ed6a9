#include "waypoint/exchange/upstream_head.hpp"

#include <charconv>

#include "culvert/grpc/status.hpp"
#include "culvert/io/loop.hpp"
#include "waypoint/exchange/response.hpp"

namespace culvert::waypoint {
namespace {

void set_number(http::Fields& fields, std::string_view name, std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  fields.set(name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

}  // namespace

void prepare_upstream_head(Exchange& x) {
  const auto& came = x.client.request();
  auto& head = x.memory->outgoing;
  head = came;
  if (auto path = l7::rewritten_path(x.decision, came.path)) {
    head.fields.set("x-envoy-original-path", came.path);
    head.path = std::move(*path);
    if (!head.path.starts_with('/')) head.path.insert(0, 1, '/');
  }
  if (const auto authority = l7::rewritten_authority(x.decision)) {
    head.fields.set("x-envoy-original-host", came.authority);
    head.authority = *authority;
  }
  if (head.authority.empty()) head.authority = x.target.host;  // HTTP/1.0 need not say it
  // Nor does where it came in have to: an edge, or a pod without a service.
  if (head.authority.empty()) head.authority = x.arrival.destination.to_string();
  if (x.decision.destination != nullptr) {
    apply_operations(x.decision.destination->request_headers, x.speaks_of(), head.fields);
  }
}

void set_attempt_fields(Exchange& x, std::uint32_t attempt) {
  using std::chrono::milliseconds;
  auto& fields = x.memory->outgoing.fields;
  set_number(fields, "x-envoy-attempt-count", attempt);
  auto expected = x.times.timeout;
  if (x.times.per_try && (expected.count() == 0 || *x.times.per_try < expected)) {
    expected = *x.times.per_try;
  }
  if (expected.count() > 0) set_number(fields, "x-envoy-expected-rq-timeout-ms", expected.count());
  if (!x.grpc || (x.times.grpc == io::kNoDeadline && expected.count() == 0)) return;
  // Upstream is told what is left, of its caller's time and of the route's.
  const auto now = io::Loop::current().now();
  auto left = std::chrono::nanoseconds::max();
  if (x.times.grpc != io::kNoDeadline) left = x.times.grpc - now;
  if (x.times.timeout.count() > 0) {
    const auto since = x.times.complete == io::kNoDeadline ? now : x.times.complete;
    left = std::min<std::chrono::nanoseconds>(left, later(since, x.times.timeout) - now);
  }
  if (x.times.per_try) left = std::min<std::chrono::nanoseconds>(left, *x.times.per_try);
  fields.set("grpc-timeout", grpc::format_timeout(left));
}

bool may_go_to(const Host& host, std::uint32_t waypoints_before) {
  return host.behind_waypoint == nullptr || waypoints_before + 1 < kMaxWaypointsPassed;
}

void set_waypoints_passed(const Host& host, std::uint32_t waypoints_before, http::Fields& fields) {
  if (host.behind_waypoint == nullptr) {
    fields.remove(kWaypointsPassed);
  } else {
    set_number(fields, kWaypointsPassed, waypoints_before + 1);
  }
}

HttpVersion upstream_version(const Exchange& x, const l7::Cluster* cluster,
                             const l7::TrafficPolicy& policy) {
  const bool client_http2 = x.client.request().version == http::Version::kHttp2;
  const auto as_client = client_http2 ? HttpVersion::kHttp2 : HttpVersion::kHttp1;
  if (cluster == nullptr) return as_client;
  switch (policy.pool.protocol) {
    case l7::UpstreamProtocol::kHttp2:
      return HttpVersion::kHttp2;
    case l7::UpstreamProtocol::kAsClient:
      return as_client;
    case l7::UpstreamProtocol::kByPort:
      break;
  }
  switch (cluster->protocol) {
    case mesh::AppProtocol::kHttp2:
    case mesh::AppProtocol::kGrpc:
      return HttpVersion::kHttp2;
    case mesh::AppProtocol::kHttp11:
      return HttpVersion::kHttp1;
    default:
      return as_client;  // not declared: whatever was detected fits
  }
}

}  // namespace culvert::waypoint
