// A whole mesh read slowly and plainly: which VirtualServices speak of a host at a gateway, in
// which order they are asked, and what the rule that is met says. What the compiled table is held
// against, by property_test.cpp and by the fuzz target "routes"; single matches: plain_reading.hpp.
#pragma once

#include <map>
#include <set>
#include <tuple>

#include "culvert/l7/choose_route.hpp"
#include "plain_reading.hpp"

namespace culvert::l7::test {

struct PlainObject {
  std::string ns, name;
  std::int64_t created = 0;
  bool refused = false;
  std::shared_ptr<const v1::VirtualService> spec = {};
};

struct PlainAnswer {
  Decision::Kind kind = Decision::Kind::kNoRoute;
  std::string route_name = {};
  const PlainObject* object = nullptr;  // null: no rule was met
  const v1::HTTPRoute* rule = nullptr;
};

inline std::string full_name(const std::string& host, const std::string& ns) {
  const auto name = lower(host);
  if (name == "*") return name;
  if (name.ends_with(".svc")) return name + ".cluster.local";
  return name.find('.') == std::string::npos ? name + "." + ns + ".svc.cluster.local" : name;
}

inline bool takes_every_path(const v1::StringMatch& uri) {
  return uri.prefix() == "/" || uri.regex() == ".*";
}

inline bool takes_every_request(const v1::HTTPMatchRequest& match) {
  return (!match.has_uri() || takes_every_path(match.uri())) && !match.has_scheme() &&
         !match.has_authority() && takes_any_request(match);
}

inline bool all_hold(const v1::HTTPMatchRequest& match, const Ask& ask) {
  return (!match.has_scheme() || holds(match.scheme(), ask.scheme)) &&
         (!match.has_authority() || holds(match.authority(), ask.authority)) && holds(match, ask);
}

class PlainMesh {
 public:
  std::map<std::pair<std::string, std::string>, PlainObject> objects;  // by namespace and name
  std::map<std::string, std::set<std::uint16_t>> services;             // ports by host
  std::map<std::string, std::set<std::string>> subsets;                // by host

  PlainAnswer answer(const Ask& ask) const {
    const auto name = asked_name(ask.host);
    const auto host = most_specific(name, ask);
    if (host.empty()) return without_rules(name, ask);
    const auto group = speakers(host, ask.gateway);
    const auto good = std::ranges::count(group, false, &PlainObject::refused);
    for (const bool last : {false, true}) {
      for (const auto* object : group) {
        if (object->refused || !sees(*object, ask.ns)) continue;
        for (const auto& rule : object->spec->http()) {
          const auto met = first(*object, rule, ask,
                                 [&](bool every) { return good == 1 ? !last : every == last; });
          if (met) return {Decision::Kind::kForward, *met, object, &rule};
        }
      }
    }
    const bool any = std::ranges::any_of(
        group, [&](const auto* one) { return !one->refused && sees(*one, ask.ns); });
    return {any ? Decision::Kind::kNoRoute : Decision::Kind::kRefused};
  }

  /// The kind of a destination, and the port in *port, as far as there is one.
  Decision::Kind lead(const std::string& host, const std::string& subset, std::uint16_t wanted,
                      const Ask& ask, std::uint16_t* port) const {
    const auto found = services.find(host);
    const auto known = subsets.find(host);
    if (found == services.end() ||
        (!subset.empty() && (known == subsets.end() || !known->second.contains(subset)))) {
      return Decision::Kind::kNoCluster;
    }
    *port = wanted != 0 ? wanted : found->second.size() == 1 ? *found->second.begin() : ask.port;
    return found->second.contains(*port) ? Decision::Kind::kForward : Decision::Kind::kNoCluster;
  }

 private:
  static std::string asked_name(const std::string& host) {
    auto name = lower(host.substr(0, host.find(':')));
    if (name.ends_with('.')) name.pop_back();
    return name;
  }

  static bool sees(const PlainObject& object, const std::string& ns) {
    if (object.spec->export_to().empty()) return true;
    return std::ranges::any_of(object.spec->export_to(), [&](const auto& to) {
      return to == "*" || (to == "." ? object.ns : to) == ns;
    });
  }

  static bool names_gateway(const google::protobuf::RepeatedPtrField<std::string>& gateways,
                            const PlainObject& object, const std::string& gateway) {
    return std::ranges::any_of(gateways, [&](const std::string& one) {
      const bool whole = one == "mesh" || one.find('/') != std::string::npos;
      return (whole ? one : object.ns + "/" + one) == gateway;
    });
  }

  static bool is_at(const PlainObject& object, const std::string& gateway) {
    if (object.spec->gateways().empty()) return gateway == "mesh";
    return names_gateway(object.spec->gateways(), object, gateway);
  }

  /// Of all hosts that cover the name and somebody visible speaks of; empty: none does.
  std::string most_specific(const std::string& name, const Ask& ask) const {
    std::string best;
    std::size_t most = 0;
    for (const auto& [key, object] : objects) {
      if (!is_at(object, ask.gateway) || !sees(object, ask.ns)) continue;
      for (const auto& written : object.spec->hosts()) {
        const auto host = full_name(written, object.ns);
        const auto tail = host.starts_with('*') ? host.substr(1) : "";
        std::size_t worth = 0;
        if (host == name) worth = 1000;
        if (host == "*") worth = 1;
        if (!tail.empty() && name.size() > tail.size() && name.ends_with(tail)) worth = host.size();
        if (worth > most) std::tie(best, most) = std::tuple(host, worth);
      }
    }
    return best;
  }

  /// Oldest first, then by name.
  std::vector<const PlainObject*> speakers(const std::string& host,
                                           const std::string& gateway) const {
    std::vector<const PlainObject*> out;
    for (const auto& [key, object] : objects) {
      const bool speaks = std::ranges::any_of(
          object.spec->hosts(), [&](const auto& one) { return full_name(one, object.ns) == host; });
      if (speaks && is_at(object, gateway)) out.push_back(&object);
    }
    std::ranges::sort(out, {},
                      [](const auto* one) { return std::tuple(one->created, one->name, one->ns); });
    return out;
  }

  /// The route's name where a match of the rule holds whose turn it is.
  static std::optional<std::string> first(const PlainObject& object, const v1::HTTPRoute& rule,
                                          const Ask& ask, const std::function<bool(bool)>& turn) {
    if (rule.match().empty() && turn(true)) return rule.name();
    for (const auto& match : rule.match()) {
      const bool here =
          match.gateways().empty() || names_gateway(match.gateways(), object, ask.gateway);
      if (here && turn(takes_every_request(match)) && all_hold(match, ask)) {
        return rule.name() + "." + match.name();
      }
    }
    return std::nullopt;
  }

  PlainAnswer without_rules(const std::string& name, const Ask& ask) const {
    const auto found = services.find(name);
    if (ask.gateway != "mesh" || found == services.end()) return {Decision::Kind::kNoHost};
    const bool port = found->second.contains(ask.port);
    return {port ? Decision::Kind::kForward : Decision::Kind::kNoCluster, "default"};
  }
};

}  // namespace culvert::l7::test
