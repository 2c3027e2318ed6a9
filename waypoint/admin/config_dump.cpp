#include "waypoint/admin/config_dump.hpp"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

namespace culvert::waypoint {
namespace {

using nlohmann::json;

json certificate_json(const proxy::Certificates::Status& status) {
  json out{{"identity", status.identity}, {"state", status.ready ? "Available" : "Pending"}};
  if (status.ready) {
    out["notAfter"] =
        fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                    fmt::gmtime(std::chrono::system_clock::to_time_t(status.not_after)));
  }
  if (!status.last_error.empty()) out["lastError"] = status.last_error;
  return out;
}

json host_json(const l7::HostRoutes& routes) {
  json from = json::array();
  for (const auto& one : routes.contributions) {
    json entry{{"virtualService", one.virtual_service}, {"matches", one.matches}};
    if (one.refused) entry["refused"] = true;
    if (one.unreachable > 0) {
      entry["unreachable"] = one.unreachable;
      entry["hiddenBehind"] = one.hidden_behind;
    }
    from.push_back(std::move(entry));
  }
  return {{"host", routes.host}, {"rules", routes.entries.size()}, {"from", std::move(from)}};
}

json gateway_json(const l7::GatewayRoutes& gateway) {
  json out = json::array();
  for (const auto& [host, routes] : gateway.exact) out.push_back(host_json(*routes));
  for (const auto& [suffix, routes] : gateway.suffixes) out.push_back(host_json(*routes));
  if (gateway.any != nullptr) out.push_back(host_json(*gateway.any));
  return out;
}

json self_json(const Settings& settings, const View& view) {
  const auto& mesh = *view.mesh;
  json out{{"name", settings.name},
           {"namespace", settings.ns},
           {"identity", settings.identity().to_string()}};
  for (const auto& gateway : view.edges->gateways) out["gateways"].push_back(gateway.key);
  const auto self = mesh.workload_at({settings.network, settings.pod_ips.front()});
  if (self == nullptr) return out;
  out["uid"] = self->uid;
  for (const auto& [key, ports] : self->services) out["services"].push_back(key);
  out["policies"] = self->policies;
  return out;
}

}  // namespace

std::string config_dump(const Settings& settings, const Observed& observed) {
  const View& view = *observed.feed->view();
  json out;
  out["waypoint"] = self_json(settings, view);
  out["version"] = CULVERT_VERSION;
  out["generation"] = {{"mesh", view.mesh->generation()}, {"routes", view.routes->generation}};
  out["counts"] = {{"workloads", view.mesh->workloads().size()},
                   {"services", view.mesh->services().size()},
                   {"policies", view.mesh->policies().size()}};
  for (const auto& one : observed.certificates->status()) {
    out["certificates"].push_back(certificate_json(one));
  }
  out["routes"] = json::object();
  for (const auto& [name, gateway] : view.routes->gateways) {
    out["routes"][name] = gateway_json(*gateway);
  }
  return out.dump(2) + "\n";
}

}  // namespace culvert::waypoint
