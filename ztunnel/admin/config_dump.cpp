#include "ztunnel/admin/config_dump.hpp"

#include <fmt/chrono.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "culvert/certs/describe.hpp"
#include "culvert/proxy/certificates.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "ztunnel/admin/model_json.hpp"
#include "ztunnel/pods/registry.hpp"

namespace culvert::ztunnel {

using nlohmann::json;
using telemetry::Direction;

namespace {

std::string rfc3339(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

// PEM is in base64 once more, as Istio's ztunnel has it.
json chain_json(const std::string& pem) {
  json out = json::array();
  const auto chain = certs::describe(pem);
  if (!chain) return out;
  for (const auto& one : *chain) {
    out.push_back({{"pem", certs::base64(one.pem)},
                   {"serialNumber", one.serial},
                   {"validFrom", rfc3339(one.not_before)},
                   {"expirationTime", rfc3339(one.not_after)}});
  }
  return out;
}

json certificate_json(const proxy::Certificates::Status& status) {
  json out{{"identity", status.identity},
           {"state", "Initializing"},
           {"certChain", json::array()},
           {"rootCerts", json::array()}};
  if (status.ready) {
    out["state"] = "Available";
    out["certChain"] = chain_json(status.chain_pem);
    out["rootCerts"] = chain_json(status.roots_pem);
  } else if (!status.last_error.empty()) {
    out["state"] = "Unavailable: " + status.last_error;
  }
  if (!status.last_error.empty()) out["error"] = status.last_error;
  return out;
}

const char* protocol(const telemetry::ConnectionRecord& record) {
  return record.mutual_tls ? "HBONE" : "TCP";
}

json outbound_json(const telemetry::ConnectionRecord& record) {
  const auto& asked = record.original_address.value_or(record.destination_address);
  return {{"src", record.source_address.to_string()},
          {"originalDst", asked.to_string()},
          {"actualDst", record.destination_address.to_string()},
          {"protocol", protocol(record)}};
}

json inbound_json(const telemetry::ConnectionRecord& record) {
  return {
      {"src", record.source_address.to_string()},
      {"originalDst", record.service->hostname.empty() ? json() : json(record.service->hostname)},
      {"actualDst", record.destination_address.to_string()},
      {"protocol", protocol(record)}};
}

struct PodConnections {
  json inbound = json::array();
  json outbound = json::array();
};

// By "NAMESPACE/POD". A joined connection is one of both of its pods.
std::map<std::string, PodConnections> by_pod(const ConnectionList& connections) {
  std::map<std::string, PodConnections> out;
  const auto name = [](const telemetry::Party& party) {
    return party.namespace_name + "/" + party.pod;
  };
  for (const auto& connection : connections.listed) {
    const auto& record = connection.record;
    if (record.direction == Direction::kOutbound) {
      out[name(*record.source)].outbound.push_back(outbound_json(record));
    }
    if (record.direction == Direction::kInbound || connection.path == proxy::Path::kJoined) {
      out[name(*record.destination)].inbound.push_back(inbound_json(record));
    }
  }
  return out;
}

json state_json(const PodRegistry& registry, const Settings& settings,
                const ConnectionList& connections) {
  auto carried = by_pod(connections);
  json out = json::object();
  for (const auto& pod : registry.pods()) {
    auto& own = carried[pod->ns + "/" + pod->name];
    out[pod->uid] = {{"state", "Up"},
                     {"connections", {{"inbound", own.inbound}, {"outbound", own.outbound}}},
                     {"info",
                      {{"name", pod->name},
                       {"namespace", pod->ns},
                       {"trustDomain", settings.trust_domain},
                       {"serviceAccount", pod->service_account}}},
                     {"netnsCookie", pod->netns_cookie}};
  }
  return out;
}

// In the order of `key`, so that two dumps can be compared.
template <class List, class Key, class Write>
json sorted(List list, Key key, Write write) {
  std::ranges::sort(list, {}, key);
  json out = json::array();
  for (const auto& one : list) out.push_back(write(*one));
  return out;
}

}  // namespace

std::string config_dump(const Settings& settings, const Observed& observed,
                        const ConnectionList& connections) {
  const auto& snapshot = *observed.feed->snapshot();
  json out{{"version", {{"version", CULVERT_VERSION}}},
           {"config",
            {{"localNode", settings.node},
             {"network", settings.network},
             {"clusterId", settings.cluster_id},
             {"trustDomain", settings.trust_domain},
             {"sameNode", settings.same_node == SameNode::kJoin ? "join" : "encrypt"},
             {"waypointBypass",
              settings.waypoint_bypass == mesh::WaypointBypass::kAllow ? "allow" : "refuse"},
             {"numWorkerThreads", observed.workers->size()}}},
           {"staticConfig", json::object()},
           {"certificates", json::array()}};
  out["workloads"] =
      sorted(snapshot.workloads(), [](const auto& w) { return w->uid; }, workload_json);
  out["services"] = sorted(
      snapshot.services(), [](const auto& s) { return s->key(); },
      [&](const mesh::Service& service) { return service_json(service, snapshot); });
  out["policies"] =
      sorted(snapshot.policies(), [](const auto& p) { return p->key(); }, policy_json);
  for (const auto& status : observed.certificates->status()) {
    out["certificates"].push_back(certificate_json(status));
  }
  out["workloadState"] = state_json(*observed.registry, settings, connections);
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace culvert::ztunnel
