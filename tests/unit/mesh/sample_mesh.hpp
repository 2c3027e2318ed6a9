// Small values for the mesh tests.
#pragma once

#include "culvert/mesh/route.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh::sample {

inline IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}
inline SocketAddress at(std::string_view text) {
  return *SocketAddress::parse(text);
}

inline Workload pod(const std::string& name, std::string_view address,
                    TunnelProtocol protocol = TunnelProtocol::kHbone) {
  Workload w;
  w.uid = "Kubernetes//Pod/shop/" + name;
  w.name = name;
  w.ns = "shop";
  w.addresses = {ip(address)};
  w.protocol = protocol;
  w.trust_domain = "cluster.local";
  w.service_account = "sa-" + name;
  return w;
}

inline constexpr const char* kWebKey = "shop/web.shop.svc.cluster.local";

inline Service web_service(std::string_view vip = "10.96.0.1") {
  Service s;
  s.name = "web";
  s.ns = "shop";
  s.hostname = "web.shop.svc.cluster.local";
  s.vips = {{"", ip(vip)}};
  s.ports = {{80, 8080}};
  return s;
}

inline Workload web_pod(const std::string& name, std::string_view address) {
  auto w = pod(name, address);
  w.services[kWebKey] = {{80, 8080}};
  return w;
}

inline SnapshotPtr mesh_of(std::vector<Workload> workloads, std::vector<Service> services = {},
                           std::vector<Policy> policies = {}) {
  Delta delta;
  delta.workloads = std::move(workloads);
  delta.services = std::move(services);
  delta.policies = std::move(policies);
  return apply(Snapshot(), std::move(delta));
}

}  // namespace culvert::mesh::sample
