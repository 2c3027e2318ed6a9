#include "culvert/explain_observe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "culvert/base/fd.hpp"
#include "culvert/explain/words.hpp"
#include "lab/netns.hpp"

namespace culvert::cli {
namespace {

constexpr std::size_t kMaxProcFile = 64U << 20;
constexpr const char* kListening = "0A";  // TCP_LISTEN, include/net/tcp_states.h

// How a refusal of the other end's policy is written where the connection began.
std::string_view denied_words() {
  return error_info(ErrorCode::kDenied).name;
}

// The last line of one branch in one log, if any.
std::optional<RecentConnection> newest(const std::vector<AccessLine>& lines,
                                       const std::string& node, const std::string& direction,
                                       const mesh::Workload& from, const explain::Branch& branch) {
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->event == "connection opened" || line->field("direction") != direction) continue;
    if (!is_like(*line, from, branch)) continue;
    return RecentConnection{
        .time = line->time,
        .node = node,
        .direction = direction,
        .path = path_of(*line),
        .refused = !line->field("error").empty(),
        .denied = !line->field("policy").empty() || line->field("error").ends_with(denied_words()),
        .endpoint = explain::endpoint_name(branch),
        .error = line->field("error"),
        .policy = line->field("policy")};
  }
  return std::nullopt;
}

// proc_net(5): an address is 32-bit words in the machine's byte order, in hexadecimal digits.
std::optional<SocketAddress> parse_proc_address(const std::string& text) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  for (std::size_t word = 0; word < colon; word += 8)
    for (int i = 3; i >= 0; --i) {
      unsigned byte = 0;
      const char* at = text.data() + word + static_cast<std::size_t>(i) * 2;
      std::from_chars(at, at + 2, byte, 16);
      bytes.push_back(static_cast<std::uint8_t>(byte));
    }
  const auto ip = IpAddress::from_bytes(bytes);
  std::uint16_t port = 0;
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port, 16);
  return ip ? std::optional(SocketAddress{*ip, port}) : std::nullopt;
}

}  // namespace

explain::Path path_of(const AccessLine& line) {
  if (line.field("dst.hbone_addr").empty())
    return line.field("dst.identity").empty() ? explain::Path::kPlain : explain::Path::kJoined;
  return explain::Path::kTunnel;
}

bool is_like(const AccessLine& line, const mesh::Workload& from, const explain::Branch& branch) {
  const auto source = SocketAddress::parse(line.field("src.addr"));
  const bool same_source =
      (line.field("src.workload") == from.name && line.field("src.namespace") == from.ns) ||
      (line.field("src.workload").empty() && source &&
       std::ranges::find(from.addresses, source->ip) != from.addresses.end());
  if (!same_source) return false;
  const std::string& hbone = line.field("dst.hbone_addr");
  const auto to = SocketAddress::parse(hbone.empty() ? line.field("dst.addr") : hbone);
  return to && *to == branch.route.target;
}

std::vector<RecentConnection> recent_connections(const MeshSource& source,
                                                 const mesh::Workload& from,
                                                 const explain::Explanation& e,
                                                 const std::string& configured_at) {
  std::vector<RecentConnection> out;
  std::map<std::string, std::vector<AccessLine>> logs;
  const auto look = [&](const std::string& node, const char* direction, const explain::Branch& b) {
    if (node.empty()) return;
    auto [log, fresh] = logs.try_emplace(node);
    if (fresh) log->second = read_access_lines(source.ztunnel_log(node), kLogTailBytes);
    if (auto found = newest(log->second, node, direction, from, b))
      out.push_back(std::move(*found));
  };
  for (const explain::Branch& b : e.branches) {
    if (e.captured) look(from.node, "outbound", b);
    if (b.route.workload && b.asked) look(b.route.workload->node, "inbound", b);
  }
  for (RecentConnection& recent : out) recent.stale = recent.time < configured_at;
  std::ranges::sort(out, {}, &RecentConnection::time);
  return out;
}

bool has_listener(const std::string& proc_net_tcp, const SocketAddress& address) {
  std::istringstream lines(proc_net_tcp);
  std::string line, slot, local, remote, state;
  std::getline(lines, line);  // the head
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    if (!(words >> slot >> local >> remote >> state) || state != kListening) continue;
    const auto at = parse_proc_address(local);
    if (!at || at->port != address.port) continue;
    if (at->ip == address.ip || at->ip.is_unspecified()) return true;
  }
  return false;
}

std::optional<bool> somebody_listens(const MeshSource& source, const mesh::Workload& pod,
                                     const SocketAddress& address) {
  auto netns = lab::open_netns(lab::LabNames(source.state().name).pod_netns(pod.ns, pod.name));
  if (!netns) return std::nullopt;
  auto inside = lab::NetnsScope::enter(netns->get());
  if (!inside) return std::nullopt;
  bool any = false;
  for (const char* file : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
    const auto text = read_file(file, kMaxProcFile);
    if (text) any = any || has_listener(*text, address);
  }
  return any;
}

std::vector<std::string> contradictions(const explain::Explanation& e,
                                        const std::vector<RecentConnection>& recent) {
  std::vector<std::string> out;
  for (const explain::Branch& b : e.branches) {
    const std::string name = explain::endpoint_name(b);
    const RecentConnection* last = nullptr;
    for (const RecentConnection& r : recent)
      if (r.endpoint == name && !r.stale) last = &r;
    if (last == nullptr) continue;
    const bool predicted_denied = b.verdict && !b.verdict->allowed;
    const std::string what = fmt::format("the last connection to {} ({})", name, last->time);
    const bool unlike = last->denied != predicted_denied;
    if (unlike && (last->denied || !last->refused)) {
      const std::string by = last->policy.empty() ? "" : " " + last->policy;
      out.push_back(fmt::format("{} was {}", what,
                                last->denied ? "refused by policy" + by : "not refused by policy"));
    } else if (last->path != b.path && e.captured && last->direction == "outbound") {
      out.push_back(fmt::format("{} went by {}, not by {}", what, explain::to_string(last->path),
                                explain::to_string(b.path)));
    }
  }
  return out;
}

}  // namespace culvert::cli
