#include "waypoint/entry/protocol.hpp"

namespace culvert::waypoint {

using http::Detected;
using mesh::AppProtocol;

namespace {

AppProtocol declared_by(const mesh::Service& service, std::uint16_t service_port) {
  const auto* found = service.find_port(service_port);
  return found == nullptr ? AppProtocol::kUnknown : found->protocol;
}

}  // namespace

AppProtocol declared_at(const mesh::Snapshot& mesh, const Arrival& arrival) {
  const auto port = arrival.destination.port;
  if (arrival.service != nullptr) return declared_by(*arrival.service, port);
  if (arrival.workload == nullptr) return AppProtocol::kHttp11;
  for (const auto& [key, mappings] : arrival.workload->services) {
    for (const auto& one : mappings) {
      if (one.target_port != port) continue;
      const auto service = mesh.service(key);
      // Another namespace's service must have no say in what this one's pods speak.
      if (service == nullptr || service->ns != arrival.workload->ns) continue;
      const auto declared = declared_by(*service, one.service_port);
      if (declared != AppProtocol::kUnknown) return declared;
    }
  }
  return AppProtocol::kUnknown;
}

bool asks_first_bytes(AppProtocol declared) {
  return declared != AppProtocol::kTcp && declared != AppProtocol::kTls;
}

bool client_speaks_first(AppProtocol declared) {
  return asks_first_bytes(declared) && declared != AppProtocol::kUnknown;
}

Speaks decide_protocol(AppProtocol declared, Detected first) {
  if (!asks_first_bytes(declared)) return Speaks::kTcp;
  if (first == Detected::kHttp1) return Speaks::kHttp1;
  if (first == Detected::kHttp2) return Speaks::kHttp2;
  if (declared == AppProtocol::kUnknown) return Speaks::kTcp;
  return declared == AppProtocol::kHttp11 ? Speaks::kHttp1 : Speaks::kHttp2;
}

}  // namespace culvert::waypoint
