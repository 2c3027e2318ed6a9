#include "waypoint/exchange/receive.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "culvert/grpc/status.hpp"
#include "waypoint/exchange/record.hpp"
#include "waypoint/exchange/upstream_head.hpp"

namespace culvert::waypoint {
namespace {

/// What there is among the fields, found in one walk. Views die when the fields change.
struct Seen {
  bool request_id = false, forwarded_proto = false, envoy = false, expect = false;
  std::optional<std::string_view> content_type, grpc_timeout, waypoints_passed;
};

Seen look_at(const http::Fields& fields) {
  Seen seen;
  for (const auto field : fields) {
    if (field.name.starts_with("x-envoy-")) {
      seen.envoy = true;
    } else if (field.name == "x-request-id") {
      seen.request_id = true;
    } else if (field.name == "x-forwarded-proto") {
      seen.forwarded_proto = true;
    } else if (field.name == "content-type") {
      seen.content_type = field.value;
    } else if (field.name == "grpc-timeout") {
      seen.grpc_timeout = field.value;
    } else if (field.name == "expect") {
      seen.expect = true;
    } else if (field.name == kWaypointsPassed) {
      seen.waypoints_passed = field.value;
    }
  }
  return seen;
}

/// Mostly the same one asked before.
void know_identity(ExchangeMemory& memory, const std::optional<mesh::Identity>& identity) {
  if (memory.identity_of == identity) return;
  memory.identity_of = identity;
  memory.identity = identity ? identity->to_string() : std::string();
}

/// By byte: its two digits.
constexpr auto kHexPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    table[byte] = {kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return table;
}();

/// UUID, version 4 (RFC 9562 section 5.4).
void make_request_id(l7::Random& random, std::string& out) {
  /// Where the sixteen bytes stand among the dashes.
  constexpr std::array<std::uint8_t, 16> kPlaces{0,  2,  4,  6,  9,  11, 14, 16,
                                                 19, 21, 24, 26, 28, 30, 32, 34};
  const std::uint64_t high = (random.next() & ~0xf000ULL) | 0x4000U;
  const std::uint64_t low = (random.next() & ~(3ULL << 62U)) | (2ULL << 62U);
  std::array<char, 36> text{};
  text[8] = text[13] = text[18] = text[23] = '-';
  for (std::size_t i = 0; i < kPlaces.size(); ++i) {
    const auto byte = (i < 8 ? high : low) >> (56 - 8 * (i % 8)) & 0xffU;
    std::ranges::copy(kHexPairs[byte], text.begin() + kPlaces[i]);
  }
  out.assign(text.data(), text.size());
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void read_wish(CallerWishes& wishes, std::string_view name, std::string_view value) {
  using std::chrono::milliseconds;
  const auto count = number(value);
  if (name == "x-envoy-upstream-rq-timeout-ms") {
    if (count) wishes.timeout = milliseconds(*count);
  } else if (name == "x-envoy-upstream-rq-per-try-timeout-ms") {
    if (count) wishes.per_try = milliseconds(*count);
  } else {
    l7::read_retry_wish(wishes.retries, name, value);
  }
}

/// What only proxies say to one another: read from a caller of the mesh, taken away from any.
bool is_control(std::string_view name) {
  constexpr std::array kControl = {std::string_view("x-envoy-upstream-rq-timeout-ms"),
                                   std::string_view("x-envoy-upstream-rq-per-try-timeout-ms"),
                                   std::string_view("x-envoy-upstream-rq-timeout-alt-response"),
                                   std::string_view("x-envoy-max-retries"),
                                   std::string_view("x-envoy-retry-on"),
                                   std::string_view("x-envoy-retry-grpc-on"),
                                   std::string_view("x-envoy-retriable-status-codes"),
                                   std::string_view("x-envoy-retriable-header-names"),
                                   std::string_view("x-envoy-hedge-on-per-try-timeout"),
                                   std::string_view("x-envoy-upstream-alt-stat-name"),
                                   std::string_view("x-envoy-ip-tags"),
                                   std::string_view("x-envoy-attempt-count"),
                                   std::string_view("x-envoy-expected-rq-timeout-ms"),
                                   std::string_view("x-envoy-original-path"),
                                   std::string_view("x-envoy-original-host")};
  return std::ranges::find(kControl, name) != kControl.end();
}

void take_wishes(Exchange& x, http::Fields& fields) {
  if (x.arrival.client.identity) {
    for (const auto field : fields) read_wish(x.wishes, field.name, field.value);
  }
  // From outside the mesh nothing is believed that only proxies say.
  const bool edge = x.arrival.gateway != l7::kMesh;
  fields.remove_if([edge](const http::Field& field) {
    return edge ? field.name.starts_with("x-envoy-") : is_control(field.name);
  });
}

/// A caller of the mesh that makes one up shortens its own way; a stranger's is not read.
void take_waypoints_passed(Exchange& x, std::string_view text, http::Fields& fields) {
  if (x.arrival.client.identity) {
    x.waypoints_before = std::min(number(text).value_or(kMaxWaypointsPassed), kMaxWaypointsPassed);
  }
  fields.remove(kWaypointsPassed);
}

/// As Istio's waypoint (APPEND_FORWARD): what the caller forwards stays in front of who it is
/// itself. Without a certificate nobody can be believed, and it goes.
void set_client_cert(Exchange& x, http::Fields& fields) {
  constexpr std::string_view kName = "x-forwarded-client-cert";
  auto& text = x.memory->scratch;
  text.clear();
  if (x.memory->identity.empty()) {
    fields.remove(kName);
    return;
  }
  if (auto told = fields.joined(kName); told && !told->empty()) {
    text = std::move(*told);
    text += ',';
  }
  if (!x.context.settings().identity.empty()) {
    text.append("By=").append(x.context.settings().identity).append(";");
  }
  text.append("URI=").append(x.memory->identity);
  fields.set(kName, text);
}

// Edges take plain HTTP only, whatever scheme a stranger names in a target or a pseudo-header.
constexpr std::string_view kSchemeOfEdges = "http";

void set_forwarded(Exchange& x, const Seen& seen, http::RequestHead& head) {
  const bool edge = x.arrival.gateway != l7::kMesh;
  if (edge) {
    head.scheme = kSchemeOfEdges;
    auto& text = x.memory->scratch;
    text.clear();
    if (auto told = head.fields.joined("x-forwarded-for")) text = *told + ",";
    text += x.arrival.client.address.ip.to_string();
    head.fields.set("x-forwarded-for", text);
  }
  if (edge || !seen.forwarded_proto) head.fields.set("x-forwarded-proto", head.scheme);
}

void set_views(Exchange& x, const http::RequestHead& head) {
  auto& headers = x.memory->headers;
  headers.clear();
  for (const auto field : head.fields) headers.push_back({field.name, field.value});
  x.request = {head.method, head.scheme, head.authority, head.path, headers};
  x.request.protocol = head.version == http::Version::kHttp2    ? "HTTP/2"
                       : head.version == http::Version::kHttp11 ? "HTTP/1.1"
                                                                : "HTTP/1.0";
}

}  // namespace

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  return content_type.size() == kGrpc.size() || content_type[kGrpc.size()] == '+' ||
         content_type[kGrpc.size()] == ';';
}

bool receive_request(Exchange& x) {
  auto& head = x.client.request();
  auto& fields = head.fields;
  const auto seen = look_at(fields);
  know_identity(*x.memory, x.arrival.client.identity);
  x.grpc = seen.content_type && is_grpc(*seen.content_type);
  if (x.grpc && seen.grpc_timeout) x.wishes.grpc_timeout = grpc::parse_timeout(*seen.grpc_timeout);
  if (seen.waypoints_passed) take_waypoints_passed(x, *seen.waypoints_passed, fields);
  if (seen.envoy) take_wishes(x, fields);
  if (seen.expect) fields.remove("expect");  // asked of us, and answered by us
  if (!seen.request_id) {
    make_request_id(x.context.random(), x.memory->scratch);
    fields.add("x-request-id", x.memory->scratch);
  }
  set_forwarded(x, seen, head);
  set_client_cert(x, fields);
  const bool path = http::normalize_path(head.path, x.context.settings().path_normalization);
  set_views(x, head);
  begin_record(x);
  if (!path) record_refusal(http::refusals::kPath, x.record);
  return path;
}

}  // namespace culvert::waypoint
