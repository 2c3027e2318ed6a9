// The small questions that a workload and a service answer about themselves.
#include "culvert/mesh/workload.hpp"

#include <algorithm>

namespace culvert::mesh {

TunnelProtocol Workload::protocol_for(std::uint16_t port) const {
  const bool listed = std::ranges::find(plaintext_ports, port) != plaintext_ports.end();
  return listed != plaintext_all_but ? TunnelProtocol::kNone : protocol;
}

std::optional<IpAddress> Workload::address_for(const IpAddress& like) const {
  for (const auto& ip : addresses) {
    if (ip.is_v4() == like.is_v4()) return ip;
  }
  if (addresses.empty()) return std::nullopt;
  return addresses.front();
}

const PortMapping* Service::find_port(std::uint16_t service_port) const {
  auto it = std::ranges::find(ports, service_port, &PortMapping::service_port);
  return it == ports.end() ? nullptr : &*it;
}

bool Service::visible_to(std::string_view namespace_name) const {
  return !exported_to || std::ranges::find(*exported_to, namespace_name) != exported_to->end();
}

}  // namespace culvert::mesh
