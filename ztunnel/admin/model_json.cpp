#include "ztunnel/admin/model_json.hpp"

#include <array>

namespace culvert::ztunnel {

using nlohmann::json;

namespace {

// "NETWORK/IP", or "NAMESPACE/HOSTNAME" for a gateway that is a service.
std::string text_of(const mesh::NetworkAddress& address) {
  return address.network + "/" + address.ip.to_string();
}

json gateway_json(const mesh::GatewayAddress& gateway) {
  const auto* by_name = std::get_if<std::string>(&gateway.destination);
  return {{"destination", by_name != nullptr
                              ? *by_name
                              : text_of(std::get<mesh::NetworkAddress>(gateway.destination))},
          {"hboneMtlsPort", gateway.hbone_port}};
}

void put(json& out, const char* key, const std::string& value) {
  if (!value.empty()) out[key] = value;
}

json ports_json(const std::vector<mesh::PortMapping>& ports) {
  json out = json::object();
  for (const auto& port : ports) out[std::to_string(port.service_port)] = port.target_port;
  return out;
}

// A workload's own mapping of a service's ports wins over the service's, which wins where it is 0.
json endpoint_ports(const mesh::Service& service, const mesh::Endpoint& endpoint) {
  json out = ports_json(service.ports);
  for (const auto& port : endpoint.ports) {
    const auto* of_service = service.find_port(port.service_port);
    const std::uint16_t fallback = of_service == nullptr ? 0 : of_service->target_port;
    out[std::to_string(port.service_port)] = port.target_port == 0 ? fallback : port.target_port;
  }
  return out;
}

json endpoints_json(const mesh::Service& service, const mesh::Snapshot& snapshot) {
  json out = json::object();
  for (const auto& endpoint : snapshot.endpoints(service.key())) {
    const auto& workload = *endpoint.workload;
    json one{{"workloadUid", workload.uid},
             {"service", service.key()},
             {"port", endpoint_ports(service, endpoint)},
             {"status", workload.healthy ? "Healthy" : "Unhealthy"}};
    if (!workload.addresses.empty()) {
      one["address"] = text_of({workload.network, workload.addresses.front()});
    }
    out[workload.uid] = std::move(one);
  }
  return out;
}

json strings_json(const std::vector<mesh::StringMatch>& matches) {
  json out = json::array();
  for (const auto& match : matches) {
    switch (match.kind) {
      case mesh::StringMatch::Kind::kExact:
        out.push_back({{"Exact", match.value}});
        break;
      case mesh::StringMatch::Kind::kPrefix:
        out.push_back({{"Prefix", match.value}});
        break;
      case mesh::StringMatch::Kind::kSuffix:
        out.push_back({{"Suffix", match.value}});
        break;
      case mesh::StringMatch::Kind::kPresence:
        out.push_back({{"Presence", json::array()}});
        break;
    }
  }
  return out;
}

json accounts_json(const std::vector<mesh::ServiceAccountMatch>& matches) {
  json out = json::array();
  for (const auto& match : matches) {
    out.push_back({{"namespace", match.ns}, {"serviceAccount", match.service_account}});
  }
  return out;
}

json prefixes_json(const std::vector<IpPrefix>& prefixes) {
  json out = json::array();
  for (const auto& prefix : prefixes) out.push_back(prefix.to_string());
  return out;
}

// Lists that are empty are left out.
json match_json(const mesh::Match& match) {
  json out = json::object();
  const auto list = [&](const char* key, json values) {
    if (!values.empty()) out[key] = std::move(values);
  };
  list("namespaces", strings_json(match.namespaces));
  list("notNamespaces", strings_json(match.not_namespaces));
  list("serviceAccounts", accounts_json(match.service_accounts));
  list("notServiceAccounts", accounts_json(match.not_service_accounts));
  list("principals", strings_json(match.principals));
  list("notPrincipals", strings_json(match.not_principals));
  list("sourceIps", prefixes_json(match.source_ips));
  list("notSourceIps", prefixes_json(match.not_source_ips));
  list("destinationIps", prefixes_json(match.destination_ips));
  list("notDestinationIps", prefixes_json(match.not_destination_ips));
  list("destinationPorts", match.destination_ports);
  list("notDestinationPorts", match.not_destination_ports);
  if (match.never) out["never"] = true;  // Culvert's own: it names what this build cannot judge
  return out;
}

}  // namespace

json workload_json(const mesh::Workload& w) {
  constexpr std::array kTypes{"deployment", "cronjob", "pod", "job"};
  json addresses = json::array();
  for (const auto& ip : w.addresses) addresses.push_back(ip.to_string());
  json services = json::array();
  for (const auto& [key, ports] : w.services) services.push_back(key);
  json out{{"uid", w.uid},
           {"name", w.name},
           {"namespace", w.ns},
           {"workloadIps", std::move(addresses)},
           {"protocol", w.protocol == mesh::TunnelProtocol::kHbone ? "HBONE" : "TCP"},
           {"networkMode", w.host_network ? "HostNetwork" : "Standard"},
           {"trustDomain", w.trust_domain},
           {"serviceAccount", w.service_account},
           {"workloadName", w.workload_name},
           {"workloadType", kTypes[static_cast<std::size_t>(w.workload_type)]},
           {"canonicalName", w.canonical_name},
           {"canonicalRevision", w.canonical_revision},
           {"status", w.healthy ? "Healthy" : "Unhealthy"},
           {"clusterId", w.cluster_id},
           {"capacity", 1},
           {"services", std::move(services)}};
  put(out, "hostname", w.hostname);
  put(out, "node", w.node);
  put(out, "network", w.network);
  if (w.waypoint) out["waypoint"] = gateway_json(*w.waypoint);
  if (!w.policies.empty()) out["authorizationPolicies"] = w.policies;
  if (w.locality != mesh::Locality{}) {
    out["locality"] = {
        {"region", w.locality.region}, {"zone", w.locality.zone}, {"subzone", w.locality.subzone}};
  }
  return out;
}

json service_json(const mesh::Service& s, const mesh::Snapshot& snapshot) {
  json vips = json::array();
  for (const auto& vip : s.vips) vips.push_back(text_of(vip));
  json names = json::array();
  for (const auto& identity : s.subject_alt_names) names.push_back(identity.to_string());
  json out{{"name", s.name},
           {"namespace", s.ns},
           {"hostname", s.hostname},
           {"vips", std::move(vips)},
           {"ports", ports_json(s.ports)},
           {"endpoints", endpoints_json(s, snapshot)},
           {"subjectAltNames", std::move(names)}};
  if (s.waypoint) out["waypoint"] = gateway_json(*s.waypoint);
  if (s.passthrough || s.allow_unhealthy) {
    out["loadBalancer"] = {{"routingPreferences", json::array()},
                           {"mode", s.passthrough ? "Passthrough" : "Standard"},
                           {"healthPolicy", s.allow_unhealthy ? "AllowAll" : "OnlyHealthy"}};
  }
  return out;
}

json policy_json(const mesh::Policy& p) {
  constexpr std::array kScopes{"Global", "Namespace", "WorkloadSelector"};
  json rules = json::array();
  for (const auto& rule : p.rules) {
    json clauses = json::array();
    for (const auto& clause : rule.clauses) {
      json matches = json::array();
      for (const auto& match : clause.matches) matches.push_back(match_json(match));
      clauses.push_back(std::move(matches));
    }
    rules.push_back(std::move(clauses));
  }
  return {{"name", p.name},
          {"namespace", p.ns},
          {"scope", kScopes[static_cast<std::size_t>(p.scope)]},
          {"action", p.action == mesh::Policy::Action::kAllow ? "Allow" : "Deny"},
          {"rules", std::move(rules)},
          {"dryRun", p.dry_run}};
}

}  // namespace culvert::ztunnel
