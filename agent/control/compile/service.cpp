// A Kubernetes Service as a Service of the mesh.
#include <algorithm>
#include <array>

#include "control/compile/mesh_objects.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::control {
namespace {

namespace wire = istio::workload;

struct ProtocolName {
  std::string_view name;
  wire::AppProtocol protocol;
};
constexpr std::array kProtocols = {
    ProtocolName{"http", wire::HTTP11}, ProtocolName{"http2", wire::HTTP2},
    ProtocolName{"h2c", wire::HTTP2},   ProtocolName{"kubernetes.io/h2c", wire::HTTP2},
    ProtocolName{"grpc", wire::GRPC},   ProtocolName{"https", wire::TLS},
    ProtocolName{"tls", wire::TLS},     ProtocolName{"tcp", wire::TCP},
};

wire::AppProtocol by_name(std::string_view name) {
  const auto it = std::ranges::find(kProtocols, name, &ProtocolName::name);
  return it == kProtocols.end() ? wire::UNKNOWN : it->protocol;
}

/// appProtocol decides; without one, the port's name.
wire::AppProtocol app_protocol(const k8s::ServicePort& port) {
  if (!port.app_protocol().empty()) return by_name(port.app_protocol());
  return app_protocol_of_name(port.name());
}

/// 0 for a named port: each pod says.
std::uint32_t target_of(const k8s::ServicePort& port) {
  if (!port.has_target_port()) return static_cast<std::uint32_t>(port.port());
  return port.target_port().text().empty() ? static_cast<std::uint32_t>(port.target_port().number())
                                           : 0;
}

void add_vip(const std::string& text, const CompileSettings& settings, wire::Service& out) {
  const auto ip = IpAddress::parse(text);
  if (!ip) return;  // "None", or not allocated yet
  auto* address = out.add_addresses();
  address->set_network(settings.network);
  address->set_address(ip->to_wire_bytes());
}

}  // namespace

wire::AppProtocol app_protocol_of_name(std::string_view port_name) {
  return by_name(port_name.substr(0, port_name.find('-')));
}

wire::IPFamilies ip_families(const wire::Service& service) {
  bool v4 = false;
  bool v6 = false;
  for (const auto& a : service.addresses()) (a.address().size() == 4 ? v4 : v6) = true;
  if (v4 && v6) return wire::DUAL;
  if (v4) return wire::IPV4_ONLY;
  return v6 ? wire::IPV6_ONLY : wire::AUTOMATIC;
}

std::string hostname_of(const k8s::Service& service, const CompileSettings& settings) {
  const auto& m = service.metadata();
  const auto ns = m.namespace_().empty() ? "default" : m.namespace_();
  return m.name() + "." + ns + ".svc." + settings.cluster_domain;
}

wire::Service make_service(const k8s::Service& service, const CompileSettings& settings) {
  const auto& spec = service.spec();
  wire::Service out;
  out.set_name(service.metadata().name());
  out.set_namespace_(service.metadata().namespace_().empty() ? "default"
                                                             : service.metadata().namespace_());
  out.set_hostname(hostname_of(service, settings));
  for (const auto& ip : spec.cluster_ips()) add_vip(ip, settings, out);
  if (out.addresses_size() == 0) add_vip(spec.cluster_ip(), settings, out);
  for (const auto& port : spec.ports()) {
    if (!port.protocol().empty() && port.protocol() != "TCP") continue;
    auto* to = out.add_ports();
    to->set_service_port(static_cast<std::uint32_t>(port.port()));
    to->set_target_port(target_of(port));
    to->set_app_protocol(app_protocol(port));
  }
  if (spec.publish_not_ready_addresses()) {
    out.mutable_load_balancing()->set_health_policy(wire::LoadBalancing::ALLOW_ALL);
  }
  out.set_ip_families(ip_families(out));
  return out;
}

}  // namespace culvert::control
