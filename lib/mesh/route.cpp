// Chooses where a captured connection goes: service, endpoint, port, tunnel.
#include "culvert/mesh/route.hpp"

#include <algorithm>
#include <optional>

#include "culvert/mesh/waypoint.hpp"

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
         target_port(endpoint, port) != 0 && endpoint.weight != 0;
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

/// The next healthy workload of the waypoint that was not tried. Its HBONE port need not be a port
/// of its service. Null when there is none.
WorkloadPtr choose_waypoint(const Snapshot& snapshot, const Waypoint& waypoint, RoundRobin& state,
                            std::span<const std::string> tried) {
  auto workloads = waypoint_workloads(snapshot, waypoint);
  std::erase_if(workloads, [&](const WorkloadPtr& w) {
    return !w->healthy || w->addresses.empty() || std::ranges::find(tried, w->uid) != tried.end();
  });
  if (workloads.empty()) return nullptr;
  if (waypoint.workload) return workloads.front();
  return workloads[state.next(waypoint.service->key(), workloads.size())];
}

/// A captured connection on its way: what it asked for, and what has been tried for it.
struct Journey {
  const Snapshot& snapshot;
  const SocketAddress& destination;
  const Workload& source;
  RoundRobin& state;
  std::span<const std::string> tried;
};

/// To `target` by the waypoint at `address`, if there is one in the way: not when the source is one
/// of its own workloads.
std::optional<Result<Route>> by_waypoint(const Journey& journey,
                                         const std::optional<GatewayAddress>& address,
                                         const ServicePtr& service, const SocketAddress& target) {
  if (!address) return std::nullopt;
  const auto waypoint = find_waypoint(journey.snapshot, *address, journey.source.ns);
  if (is_of(waypoint, journey.source)) return std::nullopt;
  auto workload = choose_waypoint(journey.snapshot, waypoint, journey.state, journey.tried);
  if (!workload) return fail(ErrorCode::kNoUpstream, "find a healthy waypoint", Origin::kUpstream);
  const auto ip = workload->address_for(target.ip);
  if (!ip) return fail(ErrorCode::kNoWorkload, "waypoint without an address", Origin::kUpstream);
  Route route;
  route.protocol = Route::Protocol::kHbone;
  route.next_hop = {*ip, address->hbone_port};
  route.target = target;
  route.expected_identities.push_back(workload->identity());
  route.workload = std::move(workload);
  route.service = service;
  route.via_waypoint = true;
  return route;
}

Route passthrough(const SocketAddress& destination) {
  Route route;
  route.next_hop = destination;
  route.target = destination;
  return route;
}

// A pod's own waypoint stands in front of it however it was found: its ztunnel admits nobody else.
Result<Route> to_pod(const Journey& journey, const WorkloadPtr& workload, const ServicePtr& service,
                     const SocketAddress& target) {
  if (auto route = by_waypoint(journey, workload->waypoint, service, target)) return *route;
  return to_workload(workload, service, target, journey.source);
}

Result<Route> to_service(const Journey& journey, const ServicePtr& service) {
  const auto& destination = journey.destination;
  if (auto route = by_waypoint(journey, service->waypoint, service, destination)) return *route;
  if (service->passthrough) return passthrough(destination);
  auto chosen =
      choose_endpoint(journey.snapshot, *service, destination.port, destination.ip, journey.state);
  if (!chosen) return std::unexpected(chosen.error());
  // The service's own waypoint, which balances, is where all waypoints end.
  if (service->waypoint) {
    return to_workload(chosen->workload, service, chosen->address, journey.source);
  }
  return to_pod(journey, chosen->workload, service, chosen->address);
}

}  // namespace

std::size_t RoundRobin::next(const std::string& service_key, std::size_t count) {
  if (position_.size() >= kMaxServices && !position_.contains(service_key)) position_.clear();
  return position_[service_key]++ % count;
}

// Multiples of the golden ratio spread evenly over their range (Weyl), whatever the shares are.
std::uint64_t RoundRobin::next_weighted(const std::string& service_key, std::uint64_t total) {
  constexpr std::uint64_t kPlaces = std::uint64_t{1} << 32U;
  constexpr std::uint32_t kGolden = 2654435769U;
  const auto place = static_cast<std::uint32_t>(next(service_key, kPlaces)) * kGolden;
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(place) * total) / kPlaces);
}

Result<ChosenEndpoint> choose_endpoint(const Snapshot& snapshot, const Service& service,
                                       std::uint16_t service_port, const IpAddress& like,
                                       RoundRobin& state) {
  const auto* port = service.find_port(service_port);
  if (!port) return fail(ErrorCode::kInvalid, "find the service port", Origin::kClient);
  const auto key = service.key();
  const auto endpoints = snapshot.endpoints(key);
  std::uint64_t total = 0;
  std::size_t count = 0;
  bool equal = true;
  std::uint32_t weight = 0;
  for (const auto& endpoint : endpoints) {
    if (!can_serve(service, endpoint, *port)) continue;
    equal = equal && (count == 0 || endpoint.weight == weight);
    weight = endpoint.weight;
    total += weight;
    ++count;
  }
  if (count == 0) {
    return fail(ErrorCode::kNoUpstream, "find a healthy endpoint", Origin::kUpstream);
  }
  auto skip = equal ? state.next(key, count) : state.next_weighted(key, total);
  for (const auto& endpoint : endpoints) {
    if (!can_serve(service, endpoint, *port)) continue;
    const std::uint64_t share = equal ? 1 : endpoint.weight;
    if (skip >= share) {
      skip -= share;
      continue;
    }
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
                                  const Workload& source, RoundRobin& state,
                                  std::span<const std::string> tried_waypoints) {
  const Journey journey{snapshot, destination, source, state, tried_waypoints};
  const NetworkAddress address{source.network, destination.ip};
  if (auto service = snapshot.service_at(address, source.ns)) return to_service(journey, service);
  if (auto workload = snapshot.workload_at(address)) {
    return to_pod(journey, workload, nullptr, destination);
  }
  return passthrough(destination);
}

Result<Route> route_to_service(const Snapshot& snapshot, const ServicePtr& service,
                               const SocketAddress& destination, const Workload& source,
                               RoundRobin& state, std::span<const std::string> tried_waypoints) {
  const Journey journey{snapshot, destination, source, state, tried_waypoints};
  return to_service(journey, service);
}

Result<Route> route_to_workload(const Snapshot& snapshot, const WorkloadPtr& workload,
                                const SocketAddress& target, const Workload& source,
                                RoundRobin& state, std::span<const std::string> tried_waypoints) {
  const Journey journey{snapshot, target, source, state, tried_waypoints};
  return to_pod(journey, workload, nullptr, target);
}

}  // namespace culvert::mesh
