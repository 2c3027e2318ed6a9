// What stands in front of a port, and whom it lets through.
#include "culvert/mesh/waypoint.hpp"

#include <algorithm>

namespace culvert::mesh {
namespace {

bool leads_to(const Service& service, const std::vector<PortMapping>& own, std::uint16_t port) {
  if (std::ranges::find(own, port, &PortMapping::target_port) != own.end()) return true;
  return std::ranges::any_of(service.ports, [&](const PortMapping& mapping) {
    // A mapping of the workload's own wins over the service's.
    return mapping.target_port == port &&
           std::ranges::find(own, mapping.service_port, &PortMapping::service_port) == own.end();
  });
}

bool is_of_namespace(std::string_view key, std::string_view ns) {
  return key.size() > ns.size() && key.starts_with(ns) && key[ns.size()] == '/';
}

/// A service that leads, or may lead, to `port`, and has not arrived: it may have a waypoint. Null
/// when there is none.
const std::string* unknown_service(const Snapshot& snapshot, const Workload& workload,
                                   std::uint16_t port) {
  for (const auto& [key, own] : workload.services) {
    if (!is_of_namespace(key, workload.ns) || snapshot.service(key)) continue;
    const bool may_lead =
        own.empty() || std::ranges::find(own, port, &PortMapping::target_port) != own.end();
    if (may_lead) return &key;
  }
  return nullptr;
}

bool is_one_of(const Snapshot& snapshot, const GatewayAddress& waypoint, const Identity& peer) {
  const auto workloads = waypoint_workloads(snapshot, find_waypoint(snapshot, waypoint, ""));
  return std::ranges::any_of(workloads, [&](const WorkloadPtr& w) {
    return w->trust_domain == peer.trust_domain && w->ns == peer.ns &&
           w->service_account == peer.service_account;
  });
}

}  // namespace

Waypoint find_waypoint(const Snapshot& snapshot, const GatewayAddress& address,
                       std::string_view ns) {
  if (const auto* key = std::get_if<std::string>(&address.destination)) {
    return {snapshot.service(*key), nullptr};
  }
  const auto& at = std::get<NetworkAddress>(address.destination);
  if (auto service = snapshot.service_at(at, ns)) return {std::move(service), nullptr};
  return {nullptr, snapshot.workload_at(at)};
}

std::vector<WorkloadPtr> waypoint_workloads(const Snapshot& snapshot, const Waypoint& waypoint) {
  if (waypoint.workload) return {waypoint.workload};
  if (!waypoint.service) return {};
  std::vector<WorkloadPtr> out;
  for (const auto& endpoint : snapshot.endpoints(waypoint.service->key())) {
    out.push_back(endpoint.workload);
  }
  return out;
}

bool is_of(const Waypoint& waypoint, const Workload& workload) {
  if (waypoint.workload) return waypoint.workload->uid == workload.uid;
  return waypoint.service && workload.services.contains(waypoint.service->key());
}

bool is_own_waypoint(const Snapshot& snapshot, const GatewayAddress& address,
                     const Workload& workload) {
  return is_of(find_waypoint(snapshot, address, workload.ns), workload);
}

std::string waypoint_name(const GatewayAddress& address) {
  if (const auto* key = std::get_if<std::string>(&address.destination)) return *key;
  return SocketAddress{std::get<NetworkAddress>(address.destination).ip, address.hbone_port}
      .to_string();
}

std::vector<const GatewayAddress*> waypoints_in_force(const Snapshot& snapshot,
                                                      const Workload& workload,
                                                      std::uint16_t port) {
  std::vector<const GatewayAddress*> out;
  if (workload.waypoint) out.push_back(&*workload.waypoint);
  for (const auto& [key, own] : workload.services) {
    const auto service = snapshot.service(key);
    // Of its own namespace only: another's object must not say who is admitted and believed here.
    if (!service || service->ns != workload.ns) continue;
    if (!service->waypoint || !leads_to(*service, own, port)) continue;
    if (std::ranges::none_of(out, [&](const auto* one) { return *one == *service->waypoint; })) {
      out.push_back(&*service->waypoint);
    }
  }
  return out;
}

Admission admit(const Snapshot& snapshot, const Workload& destination, Arriving arriving,
                WaypointBypass bypass) {
  Admission out;
  const auto waypoints = waypoints_in_force(snapshot, destination, arriving.destination.port);
  out.by_waypoint = arriving.peer && std::ranges::any_of(waypoints, [&](const auto* waypoint) {
                      return is_one_of(snapshot, *waypoint, *arriving.peer);
                    });
  out.asked = Connection{.source = std::move(arriving.peer),
                         .source_ip = arriving.peer_ip,
                         .destination = arriving.destination};
  if (out.by_waypoint && arriving.claim) {
    out.asked.via = Via{std::move(*out.asked.source), out.asked.source_ip};
    out.asked.source = std::move(arriving.claim->identity);
    out.asked.source_ip = arriving.claim->ip;
  }
  if (!waypoints.empty() && !out.by_waypoint && bypass == WaypointBypass::kRefuse) {
    out.verdict.reason = Verdict::Reason::kWaypointOnly;
    out.verdict.about = waypoint_name(*waypoints.front());
    return out;
  }
  if (bypass == WaypointBypass::kRefuse && !out.by_waypoint) {
    if (const auto* key = unknown_service(snapshot, destination, out.asked.destination.port)) {
      out.verdict.reason = Verdict::Reason::kUnknownService;
      out.verdict.about = *key;
      return out;
    }
  }
  out.verdict = authorize(snapshot, destination, out.asked);
  return out;
}

}  // namespace culvert::mesh
