#include "culvert/mesh_json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace culvert::cli {
namespace {

std::string match_text(const mesh::StringMatch& m) {
  switch (m.kind) {
    case mesh::StringMatch::Kind::kExact:
      return m.value;
    case mesh::StringMatch::Kind::kPrefix:
      return m.value + "*";
    case mesh::StringMatch::Kind::kSuffix:
      return "*" + m.value;
    case mesh::StringMatch::Kind::kPresence:
      return "*";
  }
  return {};
}
std::string match_text(const mesh::ServiceAccountMatch& m) {
  return m.ns + "/" + m.service_account;
}
std::string match_text(const IpPrefix& m) {
  return m.to_string();
}
std::string match_text(std::uint16_t port) {
  return std::to_string(port);
}

template <class T>
std::vector<std::string> texts(const std::vector<T>& values) {
  std::vector<std::string> out;
  for (const auto& value : values) out.push_back(match_text(value));
  return out;
}

// Calls `visit(name, texts)` for each field of a match that is set.
template <class Visit>
void each_field(const mesh::Match& m, Visit visit) {
  const auto field = [&](const char* name, const auto& values) {
    if (!values.empty()) visit(name, texts(values));
  };
  field("principals", m.principals);
  field("not_principals", m.not_principals);
  field("service_accounts", m.service_accounts);
  field("not_service_accounts", m.not_service_accounts);
  field("namespaces", m.namespaces);
  field("not_namespaces", m.not_namespaces);
  field("source_ips", m.source_ips);
  field("not_source_ips", m.not_source_ips);
  field("destination_ips", m.destination_ips);
  field("not_destination_ips", m.not_destination_ips);
  field("destination_ports", m.destination_ports);
  field("not_destination_ports", m.not_destination_ports);
}

Json clause_json(const mesh::Clause& clause) {
  Json out = Json::array();
  for (const auto& m : clause.matches) {
    Json one = Json::object();
    each_field(
        m, [&](const char* name, const std::vector<std::string>& values) { one[name] = values; });
    if (m.never) one["never"] = true;
    out.push_back(std::move(one));
  }
  return out;
}

std::string match_words(const mesh::Match& m) {
  if (m.never) return "what L4 cannot judge";
  std::vector<std::string> parts;
  each_field(m, [&](std::string name, const std::vector<std::string>& values) {
    std::ranges::replace(name, '_', ' ');
    parts.push_back(fmt::format("{} {}", name, fmt::join(values, " or ")));
  });
  return parts.empty() ? "nothing" : fmt::format("{}", fmt::join(parts, " and "));
}

Json ports_json(const std::vector<mesh::PortMapping>& ports) {
  Json out = Json::array();
  for (const auto& port : ports)
    out.push_back({{"port", port.service_port}, {"target_port", port.target_port}});
  return out;
}

std::string waypoint_text(const mesh::GatewayAddress& waypoint) {
  const auto* service = std::get_if<std::string>(&waypoint.destination);
  if (service != nullptr) return *service;
  return std::get<mesh::NetworkAddress>(waypoint.destination).ip.to_string();
}

}  // namespace

const char* scope_name(mesh::Policy::Scope scope) {
  switch (scope) {
    case mesh::Policy::Scope::kGlobal:
      return "mesh";
    case mesh::Policy::Scope::kNamespace:
      return "namespace";
    case mesh::Policy::Scope::kWorkload:
      return "workload";
  }
  return "";
}

const char* action_name(mesh::Policy::Action action) {
  return action == mesh::Policy::Action::kAllow ? "ALLOW" : "DENY";
}

std::string rule_words(const mesh::Rule& rule) {
  std::vector<std::string> clauses;
  for (const auto& clause : rule.clauses) {
    std::vector<std::string> matches;
    for (const auto& m : clause.matches) matches.push_back(match_words(m));
    if (!matches.empty()) clauses.push_back(fmt::format("{}", fmt::join(matches, ", or ")));
  }
  return clauses.empty() ? "everything" : fmt::format("{}", fmt::join(clauses, "; and "));
}

std::string protocol_words(const mesh::Workload& w) {
  const bool hbone = w.protocol == mesh::TunnelProtocol::kHbone;
  if (!hbone) return "TCP";
  if (w.plaintext_ports.empty()) return w.plaintext_all_but ? "TCP" : "HBONE";
  return fmt::format("{} but {}", w.plaintext_all_but ? "TCP" : "HBONE",
                     fmt::join(w.plaintext_ports, ","));
}

Json workload_json(const mesh::Workload& w) {
  Json addresses = Json::array(), services = Json::array();
  for (const auto& ip : w.addresses) addresses.push_back(ip.to_string());
  for (const auto& [key, ports] : w.services) services.push_back(key);
  Json out{{"name", w.name},
           {"namespace", w.ns},
           {"uid", w.uid},
           {"node", w.node},
           {"addresses", addresses},
           {"protocol", protocol_words(w)},
           {"identity", w.identity().to_string()},
           {"ready", w.healthy},
           {"workload", w.workload_name},
           {"canonical_name", w.canonical_name},
           {"canonical_revision", w.canonical_revision},
           {"services", services},
           {"policies", w.policies}};
  if (w.waypoint) out["waypoint"] = waypoint_text(*w.waypoint);
  if (w.host_network) out["host_network"] = true;
  if (!w.locality.region.empty()) out["region"] = w.locality.region;
  if (!w.locality.zone.empty()) out["zone"] = w.locality.zone;
  return out;
}

Json service_json(const mesh::Snapshot& snapshot, const mesh::Service& s) {
  Json vips = Json::array(), endpoints = Json::array();
  for (const auto& vip : s.vips) vips.push_back(vip.ip.to_string());
  for (const auto& e : snapshot.endpoints(s.key())) {
    Json addresses = Json::array();
    for (const auto& ip : e.workload->addresses) addresses.push_back(ip.to_string());
    endpoints.push_back({{"workload", e.workload->ns + "/" + e.workload->name},
                         {"node", e.workload->node},
                         {"addresses", addresses},
                         {"ready", e.workload->healthy},
                         {"ports", ports_json(e.ports)}});
  }
  Json out{{"name", s.name},
           {"namespace", s.ns},
           {"hostname", s.hostname},
           {"vips", vips},
           {"ports", ports_json(s.ports)},
           {"endpoints", endpoints}};
  if (s.waypoint) out["waypoint"] = waypoint_text(*s.waypoint);
  if (s.allow_unhealthy) out["allow_unready"] = true;
  return out;
}

Json policy_json(const mesh::Policy& p) {
  Json rules = Json::array();
  for (const auto& rule : p.rules) {
    Json clauses = Json::array();
    for (const auto& clause : rule.clauses) clauses.push_back(clause_json(clause));
    rules.push_back({{"words", rule_words(rule)}, {"all_of", clauses}});
  }
  return {{"name", p.name},
          {"namespace", p.ns},
          {"scope", scope_name(p.scope)},
          {"action", action_name(p.action)},
          {"dry_run", p.dry_run},
          {"rules", rules}};
}

}  // namespace culvert::cli
