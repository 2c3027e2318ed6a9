// Chooses where a captured connection goes: service, endpoint, port, tunnel.
#include "culvert/mesh/route.hpp"

#include <algorithm>

namespace culvert::mesh {
namespace {

/// The port of `endpoint` behind `service_port`: its own mapping first, then the service's; 0 when
/// neither has one.
std::uint16_t target_port(const Endpoint& endpoint, const PortMapping& service_port) {
  auto own =
      std::ranges::find(endpoint.ports, service_port.service_port, &PortMapping::service_port);
  return own != endpoint.ports.end() ? own->target_port : service_port.target_port;
}

bool can_serve(const Service& service, const Endpoint& endpoint, const PortMapping& port) {
  const auto& w = *endpoint.workload;
  return (w.healthy || service.allow_unhealthy) && !w.addresses.empty() &&
         target_port(endpoint, port) != 0;
}

Route to_workload(const WorkloadPtr& workload, ServicePtr service, const SocketAddress& target,
                  const Workload& source) {
  Route route;
  route.target = target;
  route.workload = workload;
  route.to_self = workload->uid == source.uid;
  if (workload->protocol_for(target.port) == TunnelProtocol::kHbone) {
    route.protocol = Route::Protocol::kHbone;
    route.next_hop = {target.ip, kHbonePort};
    route.expected_identities.push_back(workload->identity());
    if (service) {
      const auto& more = service->subject_alt_names;
      route.expected_identities.insert(route.expected_identities.end(), more.begin(), more.end());
    }
  } else {
    route.protocol = Route::Protocol::kPlaintext;
    route.next_hop = target;
  }
  route.service = std::move(service);
  return route;
}

/// A waypoint's service, or the workload at its address; both null when unknown.
struct Waypoint {
  ServicePtr service;
  WorkloadPtr workload;
};

Waypoint find_waypoint(const Snapshot& snapshot, const GatewayAddress& address,
                       const Workload& source) {
  if (const auto* key = std::get_if<std::string>(&address.destination)) {
    return {snapshot.service(*key), nullptr};
  }
  const auto& at = std::get<NetworkAddress>(address.destination);
  if (auto service = snapshot.service_at(at, source.ns)) return {std::move(service), nullptr};
  return {nullptr, snapshot.workload_at(at)};
}

bool is_own_workload(const Snapshot& snapshot, const Waypoint& waypoint, const Workload& source) {
  if (waypoint.workload) return waypoint.workload->uid == source.uid;
  return waypoint.service && source.services.contains(waypoint.service->key());
}

/// A healthy workload of the waypoint. Its HBONE port need not be a port of its service.
WorkloadPtr choose_waypoint(const Snapshot& snapshot, const Waypoint& waypoint, RoundRobin& state) {
  if (waypoint.workload) return waypoint.workload;
  if (!waypoint.service) return nullptr;
  std::vector<WorkloadPtr> ready;
  for (const auto& endpoint : snapshot.endpoints(waypoint.service->key())) {
    const auto& w = endpoint.workload;
    if (w->healthy && !w->addresses.empty()) ready.push_back(w);
  }
  if (ready.empty()) return nullptr;
  return ready[state.next(waypoint.service->key(), ready.size())];
}

Result<Route> through_waypoint(const Snapshot& snapshot, const Waypoint& waypoint,
                               const GatewayAddress& address, ServicePtr service,
                               const SocketAddress& destination, const Workload& source,
                               RoundRobin& state) {
  auto workload = choose_waypoint(snapshot, waypoint, state);
  if (!workload) return fail(ErrorCode::kNoUpstream, "find a healthy waypoint", Origin::kUpstream);
  auto ip = workload->address_for(destination.ip);
  if (!ip) return fail(ErrorCode::kNoWorkload, "waypoint without an address", Origin::kUpstream);
  Route route;
  route.protocol = Route::Protocol::kHbone;
  route.next_hop = {*ip, address.hbone_port};
  route.target = destination;
  route.expected_identities.push_back(workload->identity());
  route.workload = std::move(workload);
  route.service = std::move(service);
  route.via_waypoint = true;
  return route;
}

Route passthrough(const SocketAddress& destination) {
  Route route;
  route.next_hop = destination;
  route.target = destination;
  return route;
}

Result<Route> to_service(const Snapshot& snapshot, const ServicePtr& service,
                         const SocketAddress& destination, const Workload& source,
                         RoundRobin& state) {
  if (service->waypoint) {
    auto waypoint = find_waypoint(snapshot, *service->waypoint, source);
    if (!is_own_workload(snapshot, waypoint, source)) {
      return through_waypoint(snapshot, waypoint, *service->waypoint, service, destination, source,
                              state);
    }
  }
  if (service->passthrough) return passthrough(destination);
  auto chosen = choose_endpoint(snapshot, *service, destination.port, destination.ip, state);
  if (!chosen) return std::unexpected(chosen.error());
  return to_workload(chosen->workload, service, chosen->address, source);
}

}  // namespace

std::size_t RoundRobin::next(const std::string& service_key, std::size_t count) {
  if (position_.size() >= kMaxServices && !position_.contains(service_key)) position_.clear();
  return position_[service_key]++ % count;
}

Result<ChosenEndpoint> choose_endpoint(const Snapshot& snapshot, const Service& service,
                                       std::uint16_t service_port, const IpAddress& like,
                                       RoundRobin& state) {
  const auto* port = service.find_port(service_port);
  if (!port) return fail(ErrorCode::kInvalid, "find the service port", Origin::kClient);
  const auto key = service.key();
  const auto endpoints = snapshot.endpoints(key);
  const auto count = static_cast<std::size_t>(std::ranges::count_if(
      endpoints, [&](const Endpoint& e) { return can_serve(service, e, *port); }));
  if (count == 0) {
    return fail(ErrorCode::kNoUpstream, "find a healthy endpoint", Origin::kUpstream);
  }
  auto skip = state.next(key, count);
  for (const auto& endpoint : endpoints) {
    if (!can_serve(service, endpoint, *port) || skip-- != 0) continue;
    const auto ip = endpoint.workload->address_for(like);
    return ChosenEndpoint{endpoint.workload, {*ip, target_port(endpoint, *port)}};
  }
  return fail(ErrorCode::kNoUpstream, "find a healthy endpoint", Origin::kUpstream);
}

bool joins_in_process(const Route& route, std::string_view node, bool joins) {
  return route.protocol == Route::Protocol::kHbone && !route.via_waypoint &&
         route.workload != nullptr && route.workload->node == node && (joins || route.to_self);
}

Result<Route> resolve_destination(const Snapshot& snapshot, const SocketAddress& destination,
                                  const Workload& source, RoundRobin& state) {
  const NetworkAddress address{source.network, destination.ip};
  if (auto service = snapshot.service_at(address, source.ns)) {
    return to_service(snapshot, service, destination, source, state);
  }
  auto workload = snapshot.workload_at(address);
  if (!workload) return passthrough(destination);
  if (workload->waypoint) {
    auto waypoint = find_waypoint(snapshot, *workload->waypoint, source);
    if (!is_own_workload(snapshot, waypoint, source)) {
      return through_waypoint(snapshot, waypoint, *workload->waypoint, nullptr, destination, source,
                              state);
    }
  }
  return to_workload(workload, nullptr, destination, source);
}

}  // namespace culvert::mesh
