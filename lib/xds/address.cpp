// istio.workload.Address into mesh::Workload and mesh::Service.
#include <google/protobuf/any.pb.h>

#include <algorithm>
#include <limits>

#include "culvert/xds/resources.hpp"
#include "culvert_workload.pb.h"
#include "workload.pb.h"

namespace culvert::xds {
namespace {

namespace wire = istio::workload;

auto invalid(const char* text) {
  return fail(ErrorCode::kInvalid, text, Origin::kControl);
}

std::optional<IpAddress> to_ip(const std::string& bytes) {
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

bool is_port(std::uint32_t port) {
  return port <= std::numeric_limits<std::uint16_t>::max();
}

template <class Ports>
Result<std::vector<mesh::PortMapping>> to_ports(const Ports& ports) {
  std::vector<mesh::PortMapping> out;
  for (const auto& p : ports) {
    if (!is_port(p.service_port()) || !is_port(p.target_port())) return invalid("port over 65535");
    // The protocol is a hint for L7 parts; one that is new to us is only unknown.
    const auto known = wire::AppProtocol_IsValid(p.app_protocol());
    out.push_back(
        {static_cast<std::uint16_t>(p.service_port()), static_cast<std::uint16_t>(p.target_port()),
         known ? static_cast<mesh::AppProtocol>(p.app_protocol()) : mesh::AppProtocol::kUnknown});
  }
  return out;
}

Result<mesh::GatewayAddress> to_gateway(const wire::GatewayAddress& in) {
  mesh::GatewayAddress out;
  if (in.has_hostname()) {
    if (in.hostname().hostname().empty()) return invalid("waypoint without a hostname");
    out.destination = in.hostname().namespace_() + "/" + in.hostname().hostname();
  } else if (in.has_address()) {
    auto ip = to_ip(in.address().address());
    if (!ip) return invalid("waypoint address of neither 4 nor 16 bytes");
    out.destination = mesh::NetworkAddress{in.address().network(), *ip};
  } else {
    return invalid("waypoint without a destination");
  }
  if (!is_port(in.hbone_mtls_port())) return invalid("waypoint port over 65535");
  if (in.hbone_mtls_port() != 0) {
    out.hbone_port = static_cast<std::uint16_t>(in.hbone_mtls_port());
  }
  return out;
}

Result<void> read_extensions(const wire::Workload& in, mesh::Workload& out) {
  for (const auto& extension : in.extensions()) {
    if (extension.name() != kPlaintextPortsExtension) continue;
    culvert::workload::PlaintextPorts ports;
    if (!extension.config().UnpackTo(&ports)) return invalid("malformed plaintext-ports extension");
    out.plaintext_all_but = ports.all_but();
    for (auto port : ports.ports()) {
      if (!is_port(port)) return invalid("port over 65535");
      out.plaintext_ports.push_back(static_cast<std::uint16_t>(port));
    }
  }
  return {};
}

void copy_names(const wire::Workload& in, std::string_view default_trust_domain,
                mesh::Workload& out) {
  out.uid = in.uid();
  out.name = in.name();
  out.ns = in.namespace_();
  out.hostname = in.hostname();
  out.network = in.network();
  out.trust_domain = in.trust_domain().empty() ? default_trust_domain : in.trust_domain();
  out.service_account = in.service_account().empty() ? "default" : in.service_account();
  out.node = in.node();
  out.canonical_name = in.canonical_name();
  out.canonical_revision = in.canonical_revision();
  out.workload_name = in.workload_name();
  out.cluster_id = in.cluster_id();
  out.locality = {in.locality().region(), in.locality().zone(), in.locality().subzone()};
  out.policies.assign(in.authorization_policies().begin(), in.authorization_policies().end());
  out.healthy = in.status() == wire::HEALTHY;
  out.host_network = in.network_mode() == wire::HOST_NETWORK;
  // Without legacy mTLS of our own such a workload is reached as it would be by any plain client.
  out.protocol = in.tunnel_protocol() == wire::HBONE ? mesh::TunnelProtocol::kHbone
                                                     : mesh::TunnelProtocol::kNone;
  out.workload_type = static_cast<mesh::WorkloadType>(in.workload_type());
}

Result<mesh::Workload> to_workload(const wire::Workload& in, std::string_view trust_domain) {
  if (in.uid().empty()) return invalid("workload without a uid");
  if (!wire::TunnelProtocol_IsValid(in.tunnel_protocol()))
    return invalid("unknown tunnel protocol");
  if (!wire::WorkloadStatus_IsValid(in.status())) return invalid("unknown workload status");
  if (!wire::NetworkMode_IsValid(in.network_mode())) return invalid("unknown network mode");
  if (!wire::WorkloadType_IsValid(in.workload_type())) return invalid("unknown workload type");
  mesh::Workload out;
  copy_names(in, trust_domain, out);
  for (const auto& bytes : in.addresses()) {
    auto ip = to_ip(bytes);
    if (!ip) return invalid("workload address of neither 4 nor 16 bytes");
    out.addresses.push_back(*ip);
  }
  if (in.has_waypoint()) {
    auto waypoint = to_gateway(in.waypoint());
    if (!waypoint) return std::unexpected(waypoint.error());
    out.waypoint = std::move(*waypoint);
  }
  for (const auto& [service, list] : in.services()) {
    auto ports = to_ports(list.ports());
    if (!ports) return std::unexpected(ports.error());
    out.services.emplace(service, std::move(*ports));
    if (list.culvert_weight() != 0) out.weights.emplace(service, list.culvert_weight());
  }
  if (in.has_capacity()) out.capacity = in.capacity().value();
  if (auto read = read_extensions(in, out); !read) return std::unexpected(read.error());
  return out;
}

/// Whole addresses only: a VIP may carry its length, which then must be the family's.
Result<void> read_vips(const wire::Service& in, mesh::Service& out) {
  for (const auto& address : in.addresses()) {
    auto ip = to_ip(address.address());
    if (!ip) return invalid("service address of neither 4 nor 16 bytes");
    if (address.has_length() && address.length() != address.address().size() * 8) continue;
    out.vips.push_back({address.network(), *ip});
  }
  return {};
}

Result<mesh::Service> to_service(const wire::Service& in) {
  if (in.hostname().empty()) return invalid("service without a hostname");
  if (!wire::LoadBalancing_Mode_IsValid(in.load_balancing().mode())) {
    return invalid("unknown load balancing mode");
  }
  mesh::Service out;
  out.name = in.name();
  out.ns = in.namespace_();
  out.hostname = in.hostname();
  if (auto read = read_vips(in, out); !read) return std::unexpected(read.error());
  auto ports = to_ports(in.ports());
  if (!ports) return std::unexpected(ports.error());
  out.ports = std::move(*ports);
  for (const auto& san : in.subject_alt_names()) {
    if (auto id = mesh::Identity::parse(san)) out.subject_alt_names.push_back(std::move(*id));
  }
  if (in.has_waypoint()) {
    auto waypoint = to_gateway(in.waypoint());
    if (!waypoint) return std::unexpected(waypoint.error());
    out.waypoint = std::move(*waypoint);
  }
  if (in.culvert_exported_to_size() > 0) {
    out.exported_to.emplace(in.culvert_exported_to().begin(), in.culvert_exported_to().end());
  } else if (in.visibility() == wire::Service::NAMESPACE) {
    out.exported_to.emplace({in.namespace_()});
  }
  out.passthrough = in.load_balancing().mode() == wire::LoadBalancing::PASSTHROUGH;
  out.allow_unhealthy = in.load_balancing().health_policy() == wire::LoadBalancing::ALLOW_ALL;
  return out;
}

}  // namespace

Result<Address> parse_address(std::string_view bytes, std::string_view default_trust_domain) {
  wire::Address address;
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !address.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kProtocol, "parse an Address", Origin::kControl);
  }
  if (address.has_workload()) return to_workload(address.workload(), default_trust_domain);
  if (address.has_service()) return to_service(address.service());
  return invalid("Address with neither workload nor service");
}

}  // namespace culvert::xds
