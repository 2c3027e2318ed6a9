// A mesh of a few pods for the tests of this folder: shop/web and shop/stock on east, shop/cart on
// west, bank/vault on west, wild/outside outside the mesh, service shop/front over web and cart.
#pragma once

#include <map>
#include <string>

#include "culvert/explain/explain.hpp"

namespace culvert::testing {

inline IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

inline mesh::Workload pod(const std::string& ns, const std::string& name, const std::string& node,
                          const char* v4, const char* v6 = nullptr) {
  mesh::Workload w;
  w.uid = "Kubernetes//Pod/" + ns + "/" + name;
  w.ns = ns;
  w.name = name;
  w.node = node;
  w.trust_domain = "cluster.local";
  w.service_account = name;
  w.addresses.push_back(ip(v4));
  if (v6 != nullptr) w.addresses.push_back(ip(v6));
  w.protocol = ns == "wild" ? mesh::TunnelProtocol::kNone : mesh::TunnelProtocol::kHbone;
  return w;
}

inline mesh::Service service(const std::string& ns, const std::string& name, const char* vip,
                             std::uint16_t port, std::uint16_t target) {
  mesh::Service s;
  s.ns = ns;
  s.name = name;
  s.hostname = name + "." + ns + ".svc.cluster.local";
  if (vip != nullptr) s.vips.push_back({"", ip(vip)});
  s.ports.push_back({port, target, mesh::AppProtocol::kTcp});
  return s;
}

/// Parts that tests change before snapshot().
struct SmallMesh {
  std::map<std::string, mesh::Workload> pods;
  std::vector<mesh::Service> services{service("shop", "front", "10.96.0.1", 80, 8080),
                                      service("shop", "bare", nullptr, 80, 80)};
  std::vector<mesh::Policy> policies;
  std::map<std::string, explain::Capture> captures;  // what differs from captured()

  SmallMesh() {
    for (auto w :
         {pod("shop", "web", "east", "10.0.1.1", "fd00:1::1"),
          pod("shop", "stock", "east", "10.0.1.2", "fd00:1::2"),
          pod("shop", "cart", "west", "10.0.2.1", "fd00:2::1"),
          pod("bank", "vault", "west", "10.0.2.2"), pod("wild", "outside", "west", "10.0.2.3")})
      pods[w.ns + "/" + w.name] = std::move(w);
    for (const char* name : {"shop/web", "shop/cart"})
      pods[name].services["shop/front.shop.svc.cluster.local"] = {
          {80, 8080, mesh::AppProtocol::kTcp}};
    pods["shop/stock"].services["shop/bare.shop.svc.cluster.local"] = {
        {80, 80, mesh::AppProtocol::kTcp}};
    for (auto& [name, w] : pods) w.healthy = true;
  }

  mesh::SnapshotPtr snapshot() const {
    mesh::Delta delta;
    for (const auto& [name, w] : pods) delta.workloads.push_back(w);
    delta.services = services;
    delta.policies = policies;
    return mesh::apply(mesh::Snapshot(), std::move(delta));
  }

  explain::Capture capture_of(const mesh::Workload& w) const {
    const auto special = captures.find(w.ns + "/" + w.name);
    if (special != captures.end()) return special->second;
    explain::Capture out;
    out.enrolled = out.ready = w.ns != "wild";
    for (const auto& address : w.addresses) (address.is_v4() ? out.ip4 : out.ip6) = address;
    return out;
  }

  explain::Explanation explain(const std::string& from, const char* to, bool joins = true) const {
    const auto now = snapshot();
    const auto slash = from.find('/');
    const auto source = now->workload_named(from.substr(0, slash), from.substr(slash + 1));
    return explain::explain({*now, source, *SocketAddress::parse(to), capture_of(*source),
                             [this](const mesh::Workload& w) { return capture_of(w); }, joins});
  }
};

inline mesh::Policy policy(mesh::Policy::Action action, mesh::Policy::Scope scope,
                           const std::string& ns, const std::string& name, mesh::Match match) {
  mesh::Policy p;
  p.ns = ns;
  p.name = name;
  p.action = action;
  p.scope = scope;
  p.rules.push_back({{{{std::move(match)}}}});
  return p;
}

}  // namespace culvert::testing
