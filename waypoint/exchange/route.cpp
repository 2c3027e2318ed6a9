#include <algorithm>

#include "waypoint/exchange/receive.hpp"
#include "waypoint/exchange/record.hpp"

namespace culvert::waypoint {
namespace {

/// The service by which a workload that was addressed itself is reached at `port`: the one that the
/// request names, else the first. Null when it has none there.
mesh::ServicePtr service_of(const Exchange& x, const mesh::Workload& workload, std::uint16_t port,
                            std::uint16_t& service_port) {
  std::string storage;
  const auto named = l7::plain_host(x.request.authority, storage);
  mesh::ServicePtr found;
  for (const auto& [key, ports] : workload.services) {
    const auto mapping = std::ranges::find(ports, port, &mesh::PortMapping::target_port);
    if (mapping == ports.end()) continue;
    auto service = x.view->mesh->service(key);
    if (!service || service->ns != workload.ns) continue;  // nobody else's rules hold here
    const bool is_named = service->hostname == named;
    if (found && !is_named) continue;
    service_port = mapping->service_port;
    found = std::move(service);
    if (is_named) break;
  }
  return found;
}

void set_asker(Exchange& x) {
  const auto& client = x.arrival.client;
  if (client.identity) {
    x.asker.ns = client.identity->ns;
  } else if (client.workload) {
    x.asker.ns = client.workload->ns;
  }
  if (client.workload) x.asker.labels = x.view->labels->of(client.workload->uid);
  x.asker.address = client.address;
  x.asker.identity = x.memory->identity;
}

/// Returns the service as whose pod a workload was addressed; null where there is none.
mesh::ServicePtr set_target(Exchange& x) {
  const auto& arrival = x.arrival;
  x.target.gateway = arrival.gateway;
  x.target.port = arrival.destination.port;
  if (arrival.gateway != l7::kMesh) {
    x.target.host = x.request.authority;
  } else if (arrival.service) {
    x.target.host = arrival.service->hostname;
    x.target.service_ns = arrival.service->ns;
  } else if (arrival.workload) {
    x.only_port = arrival.destination.port;
    auto service = service_of(x, *arrival.workload, x.only_port, x.target.port);
    if (!service) return nullptr;
    x.target.host = service->hostname;  // the view holds it
    x.target.service_ns = service->ns;
    return service;
  }
  return nullptr;
}

/// Whether the rule names other pods than whoever dialled one of `dialled` means: another service
/// or port, or a subset. Where it names that service as a whole, or there is no rule, the client
/// has chosen already (docs/decisions/0122-dialled-pods.md).
bool leads_elsewhere(const l7::Decision& decision, const mesh::Service& dialled,
                     std::uint16_t service_port) {
  if (decision.destination == nullptr || decision.cluster == nullptr) return false;
  const auto& cluster = *decision.cluster;
  return !cluster.subset.empty() || cluster.port != service_port ||
         cluster.service_key != dialled.key();
}

}  // namespace

void choose_route(Exchange& x) {
  set_asker(x);
  const auto dialled = set_target(x);
  auto& random = x.context.random();
  if (x.arrival.gateway != l7::kMesh) {
    const auto& edges = *x.view->edges;
    x.target.viewer = edges.ns;
    x.decision =
        l7::choose_at_edge(*x.view->routes, edges.gateways, x.target, x.request, x.asker, random);
    record_route(x);
    return;
  }
  if (x.only_port == 0 || dialled) {
    x.decision = l7::choose_route(*x.view->routes, x.target, x.request, x.asker, random);
    if (dialled && leads_elsewhere(x.decision, *dialled, x.target.port)) x.only_port = 0;
    record_route(x);
    return;
  }
  // A workload without a service at that port: nobody can have written a rule for it.
  static const l7::Forward kPlain = [] {
    l7::Forward forward;
    forward.retry = l7::default_retry_policy();
    return forward;
  }();
  x.decision.kind = l7::Decision::Kind::kForward;
  x.decision.route_name = "default";
  x.decision.forward = &kPlain;
  record_route(x);
}

}  // namespace culvert::waypoint
