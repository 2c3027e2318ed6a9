#include "culvert/l7/edge.hpp"

#include <algorithm>

namespace culvert::l7 {
namespace {

// "*.shop.example" takes every name below it, and not that name itself.
bool takes(std::string_view pattern, std::string_view host) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const auto suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

/// A Gateway that may decide about a request.
struct Candidate {
  const EdgeObject* edge = nullptr;
  Visibility rules_of;
  std::size_t specific = 0;  // how closely its rules name the host
};

/// A name itself before any wildcard, the longer wildcard before the shorter.
std::size_t closeness(const HostRoutes& routes) {
  const bool exact = !routes.host.starts_with('*');
  return exact ? SIZE_MAX : routes.host.size();
}

}  // namespace

bool selects(const EdgeObject& edge, const std::map<std::string, std::string>& labels) {
  return !edge.selector.empty() && std::ranges::all_of(edge.selector, [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

Visibility rules_for(const EdgeObject& edge, std::uint16_t port, std::string_view host) {
  std::string storage;
  const auto plain = plain_host(host, storage);
  Visibility out{.all = false, .namespaces = {}};
  for (const auto& server : edge.servers) {
    if (server.port != port) continue;
    for (const auto& one : server.hosts) {
      if (!takes(one.host, plain)) continue;
      if (one.rules_of == "*") return {};
      out.namespaces.push_back(one.rules_of);
    }
  }
  return out;
}

Decision choose_at_edge(const RouteTable& table, std::span<const EdgeObject> edges,
                        TargetView& target, const RequestView& request, const ClientView& client,
                        Random& random, Explanation* explanation) {
  std::vector<Candidate> candidates;
  for (const auto& edge : edges) {
    Candidate one{&edge, rules_for(edge, target.port, target.host)};
    if (!one.rules_of.all && one.rules_of.namespaces.empty()) continue;
    target.gateway = edge.key;
    target.rules_of = &one.rules_of;
    const auto* routes = find_host(table, target, client.ns);
    if (routes == nullptr) continue;
    one.specific = closeness(*routes);
    candidates.push_back(std::move(one));
  }
  target.rules_of = nullptr;
  std::size_t best = 0;
  for (const auto& one : candidates) best = std::max(best, one.specific);
  Decision decision;
  decision.kind = Decision::Kind::kNoHost;
  for (const auto& one : candidates) {
    if (one.specific != best) continue;
    target.gateway = one.edge->key;
    target.rules_of = &one.rules_of;
    decision = choose_route(table, target, request, client, random, explanation);
    target.rules_of = nullptr;  // of this call alone
    if (decision.kind != Decision::Kind::kNoRoute) break;
  }
  return decision;
}

}  // namespace culvert::l7
