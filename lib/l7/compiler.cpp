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
  gone_services_.emplace(key);
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

UpstreamPtr Compiler::upstream(const std::string& host, const std::string& subset,
                               const mesh::ServicePtr& owner) {
  auto& known = upstreams_[{host, subset, owner ? owner->ns : ""}];
  if (known) return known;
  ++work_.upstreams;
  if (owner) {
    known = make_upstream(host, subset, *owner);
  } else {
    known = std::make_shared<const Upstream>(host, "", subset, Upstream::Problem::kUnknownHost);
  }
  return known;
}

bool Compiler::is_name_of_cluster(std::string_view host) const {
  const auto tail = std::string_view(settings_.domain);
  return host.size() > tail.size() && host.ends_with(tail) &&
         host.substr(0, host.size() - tail.size()).ends_with(".svc.");
}

// Of several services with one host that `viewer` (nullopt: anybody) may see: the one of the
// namespace that a name of the cluster says (null without it: such a name is never another
// namespace's), else the viewer's, else our own namespace's, else the first.
mesh::ServicePtr Compiler::owner_of(const std::string& host,
                                    std::optional<std::string_view> viewer) const {
  const auto found = services_.find(host);
  if (found == services_.end()) return nullptr;
  const auto seen = [&](const mesh::ServicePtr& one) {
    return !viewer || one->visible_to(*viewer);
  };
  const auto in = [&](std::string_view ns) -> mesh::ServicePtr {
    const auto at = found->second.find(fmt::format("{}/{}", ns, host));
    return at != found->second.end() && seen(at->second) ? at->second : nullptr;
  };
  if (is_name_of_cluster(host)) {
    const auto name = std::string_view(host).substr(0, host.size() - settings_.domain.size() - 5);
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos ? nullptr : in(name.substr(dot + 1));
  }
  const std::string_view own = settings_.own_namespace;
  for (const auto ns : {viewer.value_or(own), own}) {
    if (auto one = in(ns)) return one;
  }
  for (const auto& [key, service] : found->second) {
    if (seen(service)) return service;
  }
  return nullptr;
}

UpstreamPtr Compiler::make_upstream(const std::string& host, const std::string& subset,
                                    const mesh::Service& service) const {
  auto made = std::make_shared<Upstream>(host, service.ns, subset);
  const auto rule = rules_->find(host, service.ns);
  if (rule.refused) {
    made->problem = Upstream::Problem::kRefused;
    return made;
  }
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
                        auto found = upstream(host, subset, owner_of(host, name.first));
                        if (found->problem == Upstream::Problem::kUnknownHost) {
                          state.unknown.insert("host " + host);
                        } else if (found->problem == Upstream::Problem::kUnknownSubset) {
                          state.unknown.insert(fmt::format("subset {} of {}", subset, host));
                        } else if (found->problem == Upstream::Problem::kRefused) {
                          state.unknown.insert("valid DestinationRule for " + host);
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

/// Under its host the one that counts where nobody says which; of several each under its key, too.
/// A name of the cluster is one namespace's alone.
void Compiler::put_services(const std::string& host, ByText<UpstreamPtr>& out) {
  out.erase(host);
  const auto found = services_.find(host);
  if (found == services_.end()) return;
  if (const auto owner = owner_of(host, std::nullopt)) {
    out.emplace(host, upstream(host, "", owner));
  }
  const bool several = found->second.size() > 1 && !is_name_of_cluster(host);
  for (const auto& [key, service] : found->second) {
    out.erase(key);
    if (several) out.emplace(key, upstream(host, "", service));
  }
}

RouteTablePtr Compiler::compile() {
  work_ = {};
  for (const auto& host : dirty_services_) {
    const auto from = upstreams_.lower_bound({host, "", ""});
    auto to = from;
    while (to != upstreams_.end() && std::get<0>(to->first) == host) ++to;
    upstreams_.erase(from, to);
  }
  for (const auto& name : dirty_objects_) compile_state(name, *virtual_services_.at(name));
  auto table = std::make_shared<RouteTable>(*table_);
  if (!dirty_services_.empty()) {
    auto services = std::make_shared<ByText<UpstreamPtr>>(*table->services);
    for (const auto& key : gone_services_) services->erase(key);
    for (const auto& host : dirty_services_) put_services(host, *services);
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
  gone_services_.clear();
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
