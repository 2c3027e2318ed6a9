// What depends on what: a DestinationRule or service touches the VirtualServices that lead to its
// host, a VirtualService touches the hosts that it speaks of, and nothing else is done again.
#include "culvert/l7/compiler.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "compile_rule.hpp"
#include "compiler_state.hpp"
#include "destination_rule.pb.h"
#include "destination_rules.hpp"
#include "virtual_service.pb.h"

namespace culvert::l7 {

Compiler::Compiler(CompilerSettings settings)
    : settings_(std::move(settings)),
      regexes_(std::make_unique<RegexCache>()),
      rules_(std::make_unique<DestinationRules>(settings_)),
      table_(std::make_shared<RouteTable>()) {}
Compiler::~Compiler() = default;

void Compiler::put(VirtualServiceObject object) {
  Name name{object.ns, object.name};
  forget(name);
  auto state = std::make_unique<State>();
  state->object = std::move(object);
  virtual_services_[name] = std::move(state);
  dirty_objects_.insert(std::move(name));
}

void Compiler::remove_virtual_service(std::string_view ns, std::string_view name) {
  const Name key{ns, name};
  forget(key);
  virtual_services_.erase(key);
  dirty_objects_.erase(key);
}

/// Takes an object out of all that names it.
void Compiler::forget(const Name& name) {
  const auto found = virtual_services_.find(name);
  if (found == virtual_services_.end()) return;
  for (const auto& at : found->second->hosts) {
    members_[at].erase(name);
    if (members_[at].empty()) members_.erase(at);
    dirty_hosts_.insert(at);
  }
  for (const auto& host : found->second->leads_to) {
    users_[host].erase(name);
    if (users_[host].empty()) users_.erase(host);
  }
}

void Compiler::put(DestinationRuleObject object) {
  touch_hosts_like(rules_->pattern(object));
  const auto before = rules_->put(std::move(object));
  if (!before.empty()) touch_hosts_like(before);
}

void Compiler::remove_destination_rule(std::string_view ns, std::string_view name) {
  const auto before = rules_->remove(ns, name);
  if (!before.empty()) touch_hosts_like(before);
}

void Compiler::put(mesh::ServicePtr service) {
  const auto& host = service->hostname;
  touch_host(host);
  services_[host].insert_or_assign(service->key(), service);
}

void Compiler::remove_service(std::string_view key) {
  const std::string host(key.substr(key.find('/') + 1));
  const auto found = services_.find(host);
  if (found == services_.end()) return;
  found->second.erase(std::string(key));
  if (found->second.empty()) services_.erase(found);
  touch_host(host);
}

void Compiler::touch_host(const std::string& host) {
  dirty_services_.insert(host);
  const auto found = users_.find(host);
  if (found == users_.end()) return;
  dirty_objects_.insert(found->second.begin(), found->second.end());
}

void Compiler::touch_hosts_like(const std::string& pattern) {
  if (!pattern.starts_with('*')) return touch_host(pattern);
  for (const auto& [host, services] : services_) {
    if (host_covers(pattern, host)) touch_host(host);
  }
}

UpstreamPtr Compiler::upstream(const std::string& host, const std::string& subset) {
  auto& known = upstreams_[{host, subset}];
  if (!known) {
    known = make_upstream(host, subset);
    ++work_.upstreams;
  }
  return known;
}

// Of several services with one host: the one of the namespace that a name of the cluster says (null
// without it: such a name is never another namespace's), else our own namespace's, else the first.
mesh::ServicePtr Compiler::owner_of(const std::string& host) const {
  const auto found = services_.find(host);
  if (found == services_.end()) return nullptr;
  const auto in = [&](std::string_view ns) -> mesh::ServicePtr {
    const auto at = found->second.find(fmt::format("{}/{}", ns, host));
    return at == found->second.end() ? nullptr : at->second;
  };
  if (const auto tail = fmt::format(".svc.{}", settings_.domain); host.ends_with(tail)) {
    const auto name = std::string_view(host).substr(0, host.size() - tail.size());
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos ? nullptr : in(name.substr(dot + 1));
  }
  if (auto own = in(settings_.own_namespace)) return own;
  return found->second.begin()->second;
}

UpstreamPtr Compiler::make_upstream(const std::string& host, const std::string& subset) const {
  auto made = std::make_shared<Upstream>();
  made->host = host;
  made->subset = subset;
  const auto owner = owner_of(host);
  if (owner == nullptr) {
    made->problem = Upstream::Problem::kUnknownHost;
    return made;
  }
  const auto& service = *owner;
  const auto rule = rules_->find(host, service.ns);
  const auto chosen = rule.subsets.find(subset);
  if (!subset.empty() && chosen == rule.subsets.end()) {
    made->problem = Upstream::Problem::kUnknownSubset;
    return made;
  }
  const auto* part = subset.empty() ? nullptr : chosen->second;
  const auto* own = part && part->has_traffic_policy() ? &part->traffic_policy() : nullptr;
  for (const auto& port : service.ports) {
    auto cluster = std::make_shared<Cluster>();
    cluster->host = host;
    cluster->subset = subset;
    cluster->port = port.service_port;
    cluster->service_key = service.key();
    if (part) cluster->subset_labels.insert(part->labels().begin(), part->labels().end());
    cluster->protocol = port.protocol;
    cluster->policy = effective_policy(rule.policy, own, port.service_port);
    made->ports.push_back(std::move(cluster));
  }
  std::ranges::sort(made->ports, {}, [](const auto& one) { return one->port; });
  return made;
}

void Compiler::compile_state(const Name& name, State& state) {
  const auto& spec = *state.object.spec;
  state.rules.clear();
  state.leads_to.clear();
  state.unknown.clear();
  RuleContext context{state.object.ns, state.object.name, settings_.domain, *regexes_,
                      [&](const std::string& host, const std::string& subset) {
                        state.leads_to.insert(host);
                        auto found = upstream(host, subset);
                        if (found->problem == Upstream::Problem::kUnknownHost) {
                          state.unknown.insert("host " + host);
                        } else if (found->problem == Upstream::Problem::kUnknownSubset) {
                          state.unknown.insert(fmt::format("subset {} of {}", subset, host));
                        }
                        return found;
                      }};
  state.valid = !state.object.refused && spec.http_size() > 0 &&
                static_cast<std::size_t>(spec.http_size()) <= kMaxRules;
  for (int i = 0; state.valid && i < spec.http_size(); ++i) {
    auto rule = compile_rule(spec.http(i), static_cast<std::size_t>(i), context);
    state.valid = rule != nullptr;
    if (rule) state.rules.push_back(std::move(rule));
  }
  if (!state.valid) state.rules.clear();
  state.read_places(settings_.domain);
  for (const auto& host : state.leads_to) users_[host].insert(name);
  for (const auto& at : state.hosts) {
    members_[at].insert(name);
    dirty_hosts_.insert(at);
  }
  ++work_.virtual_services;
}

RouteTablePtr Compiler::compile() {
  work_ = {};
  for (const auto& host : dirty_services_) {
    const auto from = upstreams_.lower_bound({host, ""});
    auto to = from;
    while (to != upstreams_.end() && to->first.first == host) ++to;
    upstreams_.erase(from, to);
  }
  for (const auto& name : dirty_objects_) compile_state(name, *virtual_services_.at(name));
  auto table = std::make_shared<RouteTable>(*table_);
  if (!dirty_services_.empty()) {
    auto services = std::make_shared<ByText<UpstreamPtr>>(*table->services);
    for (const auto& host : dirty_services_) {
      services->erase(host);
      if (services_.contains(host)) services->emplace(host, upstream(host, ""));
    }
    table->services = std::move(services);
  }
  std::set<std::string> gateways;
  for (const auto& at : dirty_hosts_) {
    hosts_.erase(at);
    if (auto routes = merge(at)) hosts_[at] = std::move(routes);
    gateways.insert(at.first);
    ++work_.hosts;
  }
  for (const auto& gateway : gateways) rebuild_gateway(*table, gateway);
  dirty_objects_.clear();
  dirty_services_.clear();
  dirty_hosts_.clear();
  // What no table uses any more.
  std::erase_if(upstreams_, [](const auto& entry) { return entry.second.use_count() == 1; });
  regexes_->sweep();
  ++table->generation;
  table_ = std::move(table);
  return table_;
}

void Compiler::rebuild_gateway(RouteTable& table, const std::string& gateway) const {
  auto routes = std::make_shared<GatewayRoutes>();
  for (auto it = hosts_.lower_bound({gateway, ""});
       it != hosts_.end() && it->first.first == gateway; ++it) {
    const auto& host = it->first.second;
    if (host == "*") {
      routes->any = it->second;
    } else if (host.starts_with('*')) {
      routes->suffixes.emplace_back(host.substr(1), it->second);
    } else {
      routes->exact.emplace(host, it->second);
    }
  }
  std::ranges::sort(routes->suffixes, std::greater<>(),
                    [](const auto& one) { return one.first.size(); });
  table.gateways.insert_or_assign(gateway, std::move(routes));
}

ObjectReport Compiler::report(std::string_view ns, std::string_view name) const {
  ObjectReport report;
  const auto found = virtual_services_.find(Name(ns, name));
  if (found == virtual_services_.end()) return report;
  report.unknown.assign(found->second->unknown.begin(), found->second->unknown.end());
  const auto self = fmt::format("{}/{}", ns, name);
  for (const auto& at : found->second->hosts) {
    const auto routes = hosts_.find(at);
    if (routes == hosts_.end()) continue;
    for (const auto& one : routes->second->contributions) {
      if (one.virtual_service != self) continue;
      const auto reached = one.matches - one.unreachable;
      report.in_force = report.in_force || (!one.refused && reached > 0);
      auto line =
          fmt::format("{} of {} matches for {} at {}", reached, one.matches, at.second, at.first);
      if (one.unreachable > 0) {
        line += fmt::format("; the others stand behind {}, which takes every request",
                            one.hidden_behind);
      }
      report.lines.push_back(one.refused ? fmt::format("refused for {} at {}", at.second, at.first)
                                         : std::move(line));
    }
  }
  return report;
}

}  // namespace culvert::l7
