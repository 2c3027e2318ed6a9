// One decoder a map; a table chooses.
#include "culvert/maps_decode.hpp"

#include <endian.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cstring>

#include "culvert/abi/maps.h"
#include "culvert/bpf/address.hpp"

namespace culvert::cli {
namespace {

// The struct at the start of the bytes; nullopt when there are fewer.
template <class T>
std::optional<T> as(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T out;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

std::string block(std::uint32_t first) {
  return fmt::format("{}-{}", first, first + CV_BLOCK_PORTS - 1);
}

SocketAddress socket_address(const cv_address& ip, std::uint16_t port) {
  return {.ip = bpf::from_abi(ip), .port = port};
}

std::vector<MapLine> layout(Bytes, Bytes value, const PodNames&) {
  const auto v = as<cv_layout_value>(value);
  if (!v) return {};
  return {{.fields = {{"version", std::to_string(CV_LAYOUT_OF(v->version))},
                      {"sockets", std::to_string(CV_SOCKETS_OF(v->version))},
                      {"block", block(v->block_first)}}}};
}

std::vector<MapLine> pod(Bytes key, Bytes value, const PodNames& names) {
  const auto k = as<std::uint64_t>(key);
  const auto v = as<cv_pod_value>(value);
  if (!k || !v) return {};
  const bool has4 = (v->flags & CV_POD_HAS_V4) != 0, has6 = (v->flags & CV_POD_HAS_V6) != 0;
  return {
      {.netns_cookie = *k,
       .fields = {{"pod", names.pod(*k)},
                  {"netns_cookie", std::to_string(*k)},
                  {"ipv4", has4 ? bpf::from_abi(v->ip4).to_string() : "-"},
                  {"ipv6", has6 ? bpf::from_abi(v->ip6).to_string() : "-"},
                  {"outbound", (v->flags & CV_POD_READY) != 0 ? "redirected" : "refused"},
                  {"guard", (v->flags & CV_POD_GUARD_STRICT) != 0    ? "strict"
                            : (v->flags & CV_POD_GUARD_OBSERVE) != 0 ? "observe"
                                                                     : "off"},
                  {"block", block(v->block_first)},
                  {"captured", std::to_string(v->turn)},
                  {"since_boot_s",
                   v->enrolled_ns == 0 ? "-" : std::to_string(v->enrolled_ns / 1'000'000'000U)}}}};
}

std::vector<MapLine> exclude(Bytes key, Bytes, const PodNames&) {
  const auto k = as<cv_exclude_key>(key);
  if (!k || k->prefix_bits < CV_EXCLUDE_KIND_BITS) return {};
  if (k->kind == CV_EXCLUDE_PORT)
    return {{.fields = {{"excluded", fmt::format("port {}", be16toh(k->data.port_be))}}}};
  const IpAddress ip = bpf::from_abi(k->data.ip);
  const unsigned bits = k->prefix_bits - CV_EXCLUDE_KIND_BITS - (ip.is_v4() ? 96 : 0);
  return {{.fields = {{"excluded", fmt::format("{}/{}", ip.to_string(), bits)}}}};
}

std::vector<MapLine> listener(Bytes key, Bytes value, const PodNames& names) {
  const auto k = as<cv_listener_key>(key);
  if (!k) return {};
  const char* kinds[] = {"outbound", "hbone", "plaintext"};
  return {{.netns_cookie = k->netns_cookie,
           .fields = {{"pod", names.pod(k->netns_cookie)},
                      {"kind", k->kind < CV_LISTENER_KINDS ? kinds[k->kind] : "?"},
                      {"family", k->family == AF_INET ? "ipv4" : "ipv6"},
                      {"slot", std::to_string(k->slot)},
                      {"socket_cookie", std::to_string(as<std::uint64_t>(value).value_or(0))}}}};
}

MapLine flow(const cv_flow_key& key, const PodNames& names) {
  const cv_tuple_key& t = key.tuple;
  return {.netns_cookie = key.netns_cookie,
          .fields = {{"pod", names.pod(key.netns_cookie)},
                     {"source", names.endpoint(socket_address(t.source, t.source_port))},
                     {"target", names.endpoint(socket_address(t.target, t.target_port))}}};
}

std::vector<MapLine> origin(Bytes key, Bytes value, const PodNames& names) {
  const auto k = as<cv_flow_key>(key);
  const auto v = as<cv_origin_value>(value);
  if (!k || !v) return {};
  MapLine line = flow(*k, names);
  line.fields.emplace_back("origin", names.endpoint(bpf::from_abi(v->origin)));
  return {line};
}

std::vector<MapLine> client(Bytes key, Bytes value, const PodNames& names) {
  const auto k = as<cv_flow_key>(key);
  const auto v = as<cv_endpoint>(value);
  if (!k || !v) return {};
  MapLine line = flow(*k, names);
  line.fields.emplace_back("client", names.endpoint(bpf::from_abi(*v)));
  return {line};
}

std::vector<MapLine> kubelet(Bytes key, Bytes, const PodNames& names) {
  const auto k = as<cv_tuple_key>(key);
  if (!k) return {};
  return {{.netns_cookie = names.cookie_of(bpf::from_abi(k->target)),
           .fields = {{"source", names.endpoint(socket_address(k->source, k->source_port))},
                      {"target", names.endpoint(socket_address(k->target, k->target_port))}}}};
}

struct CounterText {
  const char* name;
  const char* hook;
  const char* text;
};
constexpr CounterText kCounters[] = {
#define CV_COUNTER_TEXT(name, hook, text) {#name, hook, text},
    CV_COUNTER_TABLE(CV_COUNTER_TEXT)
#undef CV_COUNTER_TEXT
};
static_assert(std::size(kCounters) == CV_COUNTER_IDS);

std::vector<MapLine> counter(Bytes key, Bytes value, const PodNames& names) {
  const auto k = as<std::uint64_t>(key);
  if (!k) return {};
  std::uint64_t sum[CV_COUNTERS] = {};
  for (; value.size() >= sizeof(cv_counter_value); value = value.subspan(sizeof(cv_counter_value)))
    for (int id = 0; id < CV_COUNTERS; id++) sum[id] += as<cv_counter_value>(value)->count[id];
  std::vector<MapLine> lines;
  for (int id = 0; id < CV_COUNTER_IDS; id++) {
    if (sum[id] == 0) continue;
    lines.push_back({.netns_cookie = *k,
                     .fields = {{"pod", names.pod(*k)},
                                {"hook", kCounters[id].hook},
                                {"reason", kCounters[id].name},
                                {"count", std::to_string(sum[id])},
                                {"text", kCounters[id].text}}});
  }
  return lines;
}

constexpr struct {
  const char* map;
  std::vector<MapLine> (*decode)(Bytes, Bytes, const PodNames&);
} kDecoders[] = {{"cv_layout", layout},     {"cv_pod", pod},        {"cv_exclude", exclude},
                 {"cv_listener", listener}, {"cv_origin", origin},  {"cv_client", client},
                 {"cv_kubelet", kubelet},   {"cv_counter", counter}};

}  // namespace

std::vector<MapLine> decode_entry(const std::string& map, Bytes key, Bytes value,
                                  const PodNames& names) {
  for (const auto& row : kDecoders)
    if (map == row.map) return row.decode(key, value, names);
  return {};
}

}  // namespace culvert::cli
