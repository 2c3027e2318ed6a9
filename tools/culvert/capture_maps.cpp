#include "culvert/capture_maps.hpp"

#include <fmt/format.h>

#include <charconv>

#include "culvert/abi/maps.h"

namespace culvert::cli {
namespace {

std::string field(const MapLine& line, std::string_view name) {
  for (const auto& [key, value] : line.fields)
    if (key == name) return value;
  return {};
}

std::uint16_t number_at_start(const std::string& text) {
  std::uint16_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

// Every listener that ztunnel offers for a pod.
std::set<std::string> all_listeners() {
  std::set<std::string> out;
  for (const char* kind : {"outbound", "hbone", "plaintext"})
    for (const char* family : {"ipv4", "ipv6"})
      for (unsigned slot = 0; slot < CV_LISTENER_SLOTS; ++slot)
        out.insert(fmt::format("{} {} slot {}", kind, family, slot));
  return out;
}

std::string text_at(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// False when the pod is not as an agent writes it.
bool read_pod(const Json& pod, Wishes& out) {
  if (!pod.is_object() || !pod.contains("netns_cookie") ||
      !pod["netns_cookie"].is_number_unsigned())
    return false;
  const auto cookie = pod["netns_cookie"].get<std::uint64_t>();
  out.names[cookie] = text_at(pod, "namespace") + "/" + text_at(pod, "name");
  if (text_at(pod, "state") == "ending") {
    out.ending.insert(cookie);
    return true;
  }
  PodEntry& entry = out.maps.pods[cookie];
  entry.ready = true;
  for (const Json& item : pod.value("ips", Json::array())) {
    const auto ip = item.is_string() ? IpAddress::parse(item.get<std::string>()) : std::nullopt;
    if (!ip) return false;
    std::string& slot = ip->is_v4() ? entry.ip4 : entry.ip6;
    if (slot == "-") slot = ip->to_string();
  }
  out.maps.listeners[cookie] = all_listeners();
  out.maps.counters.insert(cookie);
  return true;
}

using Visit = void (*)(const MapLine&, CaptureMaps&);

void take_layout(const MapLine& line, CaptureMaps& out) {
  out.block_first = number_at_start(field(line, "block"));
}
void take_exclude(const MapLine& line, CaptureMaps& out) {
  out.excludes.insert(field(line, "excluded"));
}
void take_pod(const MapLine& line, CaptureMaps& out) {
  if (!line.netns_cookie) return;
  out.pods[*line.netns_cookie] = {.ip4 = field(line, "ipv4"),
                                  .ip6 = field(line, "ipv6"),
                                  .ready = field(line, "outbound") == "redirected"};
}
void take_listener(const MapLine& line, CaptureMaps& out) {
  if (!line.netns_cookie) return;
  out.listeners[*line.netns_cookie].insert(fmt::format("{} {} slot {}", field(line, "kind"),
                                                       field(line, "family"), field(line, "slot")));
}

}  // namespace

std::optional<std::uint64_t> Wishes::cookie(const std::string& pod) const {
  for (const auto& [cookie, name] : names)
    if (name == pod && !ending.contains(cookie)) return cookie;
  return std::nullopt;
}

std::optional<Wishes> parse_wishes(const Json& desired) {
  if (!desired.is_object() || !desired.contains("block_first") ||
      !desired["block_first"].is_number_unsigned())
    return std::nullopt;
  Wishes out;
  out.maps.block_first = desired["block_first"].get<std::uint16_t>();
  for (const Json& range : desired.value("exclude_ranges", Json::array()))
    if (range.is_string()) out.maps.excludes.insert(range.get<std::string>());
  for (const Json& port : desired.value("exclude_ports", Json::array()))
    if (port.is_number_unsigned())
      out.maps.excludes.insert(fmt::format("port {}", port.get<unsigned>()));
  for (const Json& pod : desired.value("pods", Json::array()))
    if (!read_pod(pod, out)) return std::nullopt;
  return out;
}

lab::Outcome<Wishes> read_wishes(const MeshSource& source, const std::string& node) {
  const auto answer = source.agent(node, "/desired");
  if (!answer) return std::unexpected(answer.error());
  auto wishes = parse_wishes(*answer);
  if (!wishes)
    return lab::problem(fmt::format("the agent of node {} gives no wishes that can be read", node),
                        "use the CLI of the agent's version");
  return *wishes;
}

Result<CaptureMaps> read_kernel(const NodePins& pins) {
  constexpr struct {
    const char* map;
    Visit visit;
  } kMaps[] = {{"cv_layout", take_layout},
               {"cv_exclude", take_exclude},
               {"cv_pod", take_pod},
               {"cv_listener", take_listener}};
  CaptureMaps out;
  for (const auto& [map, visit] : kMaps) {
    const auto lines = dump_map(pins, map);
    if (!lines) return std::unexpected(lines.error());
    for (const MapLine& line : *lines) visit(line, out);
  }
  auto cookies = map_cookies(pins, "cv_counter");
  if (!cookies) return std::unexpected(cookies.error());
  out.counters = std::move(*cookies);
  return out;
}

explain::Capture capture_of(const CaptureMaps& maps, std::optional<std::uint64_t> cookie) {
  explain::Capture out;
  const auto entry = cookie ? maps.pods.find(*cookie) : maps.pods.end();
  if (entry == maps.pods.end()) return out;
  out.enrolled = true;
  out.ready = entry->second.ready;
  out.ip4 = IpAddress::parse(entry->second.ip4);
  out.ip6 = IpAddress::parse(entry->second.ip6);
  const auto listeners = maps.listeners.find(*cookie);
  out.listeners = listeners != maps.listeners.end() && !listeners->second.empty();
  out.block_first = maps.block_first;
  for (const std::string& text : maps.excludes) {
    if (text.starts_with("port ")) {
      out.excluded_ports.push_back(number_at_start(text.substr(5)));
    } else if (const auto range = IpPrefix::parse(text)) {
      out.excluded_ranges.push_back(*range);
    }
  }
  return out;
}

}  // namespace culvert::cli
