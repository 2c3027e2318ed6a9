#include "culvert/open_connections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "culvert/connections.hpp"
#include "culvert/explain/words.hpp"

namespace culvert::cli {
namespace {

using std::chrono::milliseconds;

constexpr const char* kAllOfThem = "/connections?limit=10000";  // as many as may be asked for

std::string text_at(const Json& object, const char* member) {
  const auto found = object.is_object() ? object.find(member) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<SocketAddress> address_at(const Json& object, const char* member) {
  return SocketAddress::parse(text_at(object, member));
}

// One entry of an answer, as far as it matters here.
struct Entry {
  std::string direction, path, identity;
  std::string via;  // the identity of the waypoint that speaks for the source
  std::optional<SocketAddress> from, original, target;
  std::string from_pod, to_pod;  // "shop/web"; empty where nobody is known
  milliseconds age;

  explicit Entry(const Json& c)
      : direction(text_at(c, "direction")),
        path(text_at(c, "path")),
        original(address_at(c, "original_address")),
        target(address_at(c, "hbone_address")),
        age(c.is_object() ? c.value("age_ms", std::int64_t{0}) : 0) {
    const Json none = Json::object();
    const Json source = c.is_object() ? c.value("source", none) : none;
    const Json destination = c.is_object() ? c.value("destination", none) : none;
    identity = text_at(source, "identity");
    via = text_at(c.is_object() ? c.value("via", none) : none, "identity");
    from = address_at(source, "address");
    if (!target) target = address_at(destination, "address");
    const auto name = [](const Json& party) {
      const std::string pod = text_at(party, "pod");
      return pod.empty() ? pod : text_at(party, "namespace") + "/" + pod;
    };
    from_pod = name(source);
    to_pod = name(destination);
  }

  explain::Path way() const {
    return path == "joined"           ? explain::Path::kJoined
           : path.ends_with("tunnel") ? explain::Path::kTunnel
                                      : explain::Path::kPlain;
  }
  std::string endpoint() const {
    return !to_pod.empty() ? to_pod : target ? target->to_string() : "nobody";
  }
};

bool is_like(const Entry& entry, const mesh::Workload& from, const explain::Explanation& e) {
  const bool same_source =
      entry.from_pod.empty()
          ? entry.from && std::ranges::find(from.addresses, entry.from->ip) != from.addresses.end()
          : entry.from_pod == from.ns + "/" + from.name;
  if (!same_source) return false;
  if (entry.direction == "outbound" && entry.original) return *entry.original == e.destination;
  return entry.target && std::ranges::any_of(e.branches, [&](const explain::Branch& b) {
           return b.route.target == *entry.target;
         });
}

// Where policies decide: at the destination, or where both ends are joined.
std::optional<mesh::Verdict> judge(const Entry& entry, const mesh::Snapshot& snapshot,
                                   const std::string& network) {
  const bool here = entry.direction == "inbound" || entry.way() == explain::Path::kJoined;
  if (!here || !entry.target || !entry.from) return std::nullopt;
  const auto workload = snapshot.workload_at({network, entry.target->ip});
  if (!workload) return std::nullopt;
  mesh::Arriving arriving{mesh::Identity::parse(entry.identity), entry.from->ip, *entry.target,
                          std::nullopt};
  if (!entry.via.empty() && arriving.peer) {
    arriving.claim = {*arriving.peer, entry.from->ip};
    arriving.peer = mesh::Identity::parse(entry.via);
  }
  // Who came past a waypoint is policy's to judge here: ztunnel may be set to admit it.
  return mesh::admit(snapshot, *workload, std::move(arriving), mesh::WaypointBypass::kAllow)
      .verdict;
}

auto group_of(const OpenConnections& o) {
  return std::tie(o.node, o.ztunnel, o.direction, o.path, o.endpoint, o.identity);
}

const explain::Branch* branch_to(const explain::Explanation& e, const std::string& endpoint) {
  const auto found = std::ranges::find(e.branches, endpoint, explain::endpoint_name);
  return found == e.branches.end() ? nullptr : &*found;
}

std::string how_many(const OpenConnections& o) {
  return o.count == 1 ? fmt::format("an open connection to {}", o.endpoint)
                      : fmt::format("{} open connections to {}", o.count, o.endpoint);
}

// What a connection that this configuration decided about contradicts; empty: nothing.
std::string unlike(const explain::Explanation& e, const OpenConnections& o) {
  if (o.direction != "outbound") return {};
  if (!e.captured)
    return fmt::format("ztunnel carries {}, which was to be left alone", how_many(o));
  const explain::Branch* branch = branch_to(e, o.endpoint);
  if (branch == nullptr) {
    return e.more > 0 ? std::string()
                      : fmt::format("there is {}, which is not where this leads", how_many(o));
  }
  if (branch->path != o.path) {
    return fmt::format("{} went by {}, not by {}", how_many(o), explain::to_string(o.path),
                       explain::to_string(branch->path));
  }
  const bool may_be = branch->outcome == explain::Outcome::kAnswered ||
                      branch->outcome == explain::Outcome::kUnknown;
  return may_be ? std::string()
                : fmt::format("there is {}, which was to be {}", how_many(o),
                              explain::to_string(branch->outcome));
}

}  // namespace

void add_open(const Json& answer, const std::string& node, const std::string& ztunnel,
              const mesh::Snapshot& snapshot, const mesh::Workload& from,
              const explain::Explanation& e, std::vector<OpenConnections>& out) {
  for (const Json& listed : answer.value("connections", Json::array())) {
    const Entry entry(listed);
    if (!is_like(entry, from, e)) continue;
    OpenConnections one{.node = node,
                        .ztunnel = ztunnel,
                        .direction = entry.direction,
                        .path = entry.way(),
                        .endpoint = entry.endpoint(),
                        .identity = entry.identity,
                        .count = 1,
                        .oldest = entry.age,
                        .youngest = entry.age,
                        .verdict = judge(entry, snapshot, from.network)};
    const auto alike = std::ranges::find(out, group_of(one), group_of);
    if (alike == out.end()) {
      out.push_back(std::move(one));
      continue;
    }
    ++alike->count;
    alike->oldest = std::max(alike->oldest, entry.age);
    alike->youngest = std::min(alike->youngest, entry.age);
  }
}

std::vector<std::string> contradictions(const explain::Explanation& e,
                                        const std::vector<OpenConnections>& open,
                                        std::optional<milliseconds> configured_ago) {
  std::vector<std::string> out;
  for (const OpenConnections& o : open) {
    // These are decided about again when policies change, so their age is no excuse.
    if (o.verdict && !o.verdict->allowed) {
      out.push_back(fmt::format("{} is refused by the policies of now ({}{}{}), and was not cut",
                                how_many(o), mesh::to_string(o.verdict->reason),
                                o.verdict->policy.empty() ? "" : " ", o.verdict->policy));
      continue;
    }
    if (!configured_ago || o.youngest + kSettling > *configured_ago) continue;
    if (std::string line = unlike(e, o); !line.empty()) out.push_back(std::move(line));
  }
  return out;
}

std::string open_words(const OpenConnections& o) {
  const auto ms = [](milliseconds age) {
    return age_words(static_cast<std::uint64_t>(age.count()));
  };
  std::string out = fmt::format("{} {} on {}{} to {} by {}, for {}", o.count, o.direction, o.node,
                                o.ztunnel == kServing ? "" : " (" + o.ztunnel + ")", o.endpoint,
                                explain::to_string(o.path), ms(o.youngest));
  if (ms(o.oldest) != ms(o.youngest)) out += fmt::format(" to {}", ms(o.oldest));
  if (o.verdict) {
    out += fmt::format(": {}{}{}", mesh::to_string(o.verdict->reason),
                       o.verdict->policy.empty() ? "" : " ", o.verdict->policy);
  }
  return out;
}

Json open_json(const OpenConnections& o) {
  Json out{{"node", o.node},
           {"ztunnel", o.ztunnel},
           {"direction", o.direction},
           {"path", explain::to_string(o.path)},
           {"endpoint", o.endpoint},
           {"source_identity", o.identity.empty() ? Json() : Json(o.identity)},
           {"count", o.count},
           {"oldest_ms", o.oldest.count()},
           {"youngest_ms", o.youngest.count()}};
  if (o.verdict) {
    out["verdict"] = {{"allowed", o.verdict->allowed},
                      {"reason", mesh::to_string(o.verdict->reason)},
                      {"policy", o.verdict->policy}};
  }
  return out;
}

std::vector<OpenConnections> open_connections(const MeshSource& source,
                                              const mesh::Snapshot& snapshot,
                                              const mesh::Workload& from,
                                              const explain::Explanation& e,
                                              const std::vector<std::string>& nodes,
                                              std::vector<std::string>& notes) {
  std::vector<OpenConnections> out;
  for (const std::string& node : std::set(nodes.begin(), nodes.end())) {
    if (node.empty()) continue;
    const auto answers = source.all_ztunnels(node, kAllOfThem);
    if (!answers) {
      notes.push_back(answers.error().text + ": what it carries is not known");
      continue;
    }
    for (const auto& [ztunnel, answer] : *answers) {
      add_open(answer, node, ztunnel, snapshot, from, e, out);
      const auto listed = answer.value("connections", Json::array()).size();
      if (answer.value("total", listed) > listed) {
        notes.push_back(
            fmt::format("node {} carries more connections than it lists: "
                        "there may be more open ones",
                        node));
      }
    }
  }
  return out;
}

}  // namespace culvert::cli
