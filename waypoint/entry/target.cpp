#include "waypoint/entry/target.hpp"

#include <algorithm>
#include <string>

#include "culvert/mesh/waypoint.hpp"

namespace culvert::waypoint {
namespace {

constexpr const char* kNotOurs = "CONNECT to what does not name this waypoint";

std::unexpected<Error> refuse(const char* text) {
  return fail(ErrorCode::kInvalid, text, Origin::kClient);
}

// "web.shop.svc.cluster.local" is found by its namespace; other hosts (ServiceEntry) by the
// client's and the waypoint's, and then wherever they are and the client may see them.
mesh::ServicePtr service_named(const mesh::Snapshot& mesh, const std::string& host,
                               std::string_view client_ns, std::string_view own_ns) {
  const auto in = [&](std::string_view ns) {
    auto service = mesh.service(std::string(ns) + "/" + host);
    return service && service->visible_to(client_ns) ? service : nullptr;
  };
  const auto first = host.find('.');
  const auto second = first == std::string::npos ? first : host.find('.', first + 1);
  if (second != std::string::npos && host.compare(second, 5, ".svc.") == 0) {
    return in(std::string_view(host).substr(first + 1, second - first - 1));
  }
  for (const auto ns : {client_ns, own_ns}) {
    if (auto service = in(ns)) return service;
  }
  const auto all = mesh.services();
  const auto found = std::ranges::find_if(all, [&](const mesh::ServicePtr& one) {
    return one->hostname == host && one->visible_to(client_ns);
  });
  return found == all.end() ? nullptr : *found;
}

Result<Target> of_service(const mesh::Snapshot& mesh, const mesh::Workload& self,
                          mesh::ServicePtr service, const SocketAddress& destination) {
  if (!service->waypoint || !mesh::is_own_waypoint(mesh, *service->waypoint, self)) {
    return refuse(kNotOurs);
  }
  if (service->find_port(destination.port) == nullptr) {
    return refuse("CONNECT to a port that the service does not have");
  }
  return Target{std::move(service), nullptr, destination};
}

}  // namespace

Result<Target> find_target(const mesh::Snapshot& mesh, const mesh::Workload& self,
                           const hbone::Authority& authority, std::string_view client_ns) {
  if (const auto* named = authority.host()) {
    auto service = service_named(mesh, named->host, client_ns, self.ns);
    if (service == nullptr) return refuse("CONNECT to a host that is not in the mesh");
    SocketAddress destination{{}, named->port};
    if (!service->vips.empty()) destination.ip = service->vips.front().ip;
    return of_service(mesh, self, std::move(service), destination);
  }
  const SocketAddress& address = *authority.address();
  if (auto service = mesh.service_at({self.network, address.ip}, client_ns)) {
    return of_service(mesh, self, std::move(service), address);
  }
  auto workload = mesh.workload_at({self.network, address.ip});
  if (workload == nullptr) return refuse("CONNECT to an address that is not in the mesh");
  if (address.port == mesh::kHbonePort || !workload->waypoint ||
      !mesh::is_own_waypoint(mesh, *workload->waypoint, self)) {
    return refuse(kNotOurs);
  }
  return Target{nullptr, std::move(workload), address};
}

}  // namespace culvert::waypoint
