// GET /config_dump: what this ztunnel knows, in the names that Istio's uses.
#include "ztunnel/admin/config_dump.hpp"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "ztunnel/control/certificates.hpp"
#include "ztunnel/control/control_link.hpp"
#include "ztunnel/pods/registry.hpp"

namespace culvert::ztunnel {

using nlohmann::json;

namespace {

json workload_json(const mesh::Workload& w) {
  json addresses = json::array();
  for (const auto& ip : w.addresses) addresses.push_back(ip.to_string());
  json services = json::array();
  for (const auto& [key, ports] : w.services) services.push_back(key);
  return {{"uid", w.uid},
          {"name", w.name},
          {"namespace", w.ns},
          {"workloadIps", addresses},
          {"protocol", w.protocol == mesh::TunnelProtocol::kHbone ? "HBONE" : "TCP"},
          {"trustDomain", w.trust_domain},
          {"serviceAccount", w.service_account},
          {"node", w.node},
          {"workloadName", w.workload_name},
          {"canonicalName", w.canonical_name},
          {"canonicalRevision", w.canonical_revision},
          {"status", w.healthy ? "Healthy" : "Unhealthy"},
          {"clusterId", w.cluster_id},
          {"network", w.network},
          {"services", services},
          {"authorizationPolicies", w.policies}};
}

json service_json(const mesh::Service& s) {
  json vips = json::array();
  for (const auto& vip : s.vips) vips.push_back(vip.network + "/" + vip.ip.to_string());
  json ports = json::object();
  for (const auto& port : s.ports) ports[std::to_string(port.service_port)] = port.target_port;
  return {{"name", s.name},
          {"namespace", s.ns},
          {"hostname", s.hostname},
          {"vips", vips},
          {"ports", ports}};
}

json policy_json(const mesh::Policy& p) {
  constexpr std::array kScopes{"Global", "Namespace", "WorkloadSelector"};
  return {{"name", p.name},
          {"namespace", p.ns},
          {"scope", kScopes[static_cast<std::size_t>(p.scope)]},
          {"action", p.action == mesh::Policy::Action::kAllow ? "Allow" : "Deny"},
          {"rules", p.rules.size()}};
}

}  // namespace

std::string config_dump(const Settings& settings, const Observed& observed) {
  const auto& snapshot = observed.control->snapshot();
  json out{{"version", {{"version", CULVERT_VERSION}}},
           {"config",
            {{"localNode", settings.node},
             {"network", settings.network},
             {"clusterId", settings.cluster_id},
             {"trustDomain", settings.trust_domain},
             {"sameNode", settings.same_node == SameNode::kJoin ? "join" : "encrypt"},
             {"workerThreads", observed.workers}}}};
  for (const char* list : {"workloads", "services", "policies", "certificates", "workloadState"}) {
    out[list] = json::array();
  }
  for (const auto& w : snapshot->workloads()) out["workloads"].push_back(workload_json(*w));
  for (const auto& s : snapshot->services()) out["services"].push_back(service_json(*s));
  for (const auto& p : snapshot->policies()) out["policies"].push_back(policy_json(*p));
  for (const auto& status : observed.certificates->status()) {
    json one{{"identity", status.identity}, {"state", status.ready ? "Available" : "Initializing"}};
    if (status.ready) {
      one["certChain"] = json::array(
          {{{"pem", status.chain_pem},
            {"expirationTime",
             fmt::format("{:%FT%TZ}",
                         fmt::gmtime(std::chrono::system_clock::to_time_t(status.not_after)))}}});
    }
    if (!status.last_error.empty()) one["error"] = status.last_error;
    out["certificates"].push_back(std::move(one));
  }
  for (const auto& pod : observed.registry->pods()) {
    out["workloadState"].push_back({{"uid", pod->uid},
                                    {"name", pod->name},
                                    {"namespace", pod->ns},
                                    {"serviceAccount", pod->service_account},
                                    {"netnsCookie", pod->netns_cookie},
                                    {"state", "Up"}});
  }
  return out.dump(2) + "\n";
}

}  // namespace culvert::ztunnel
