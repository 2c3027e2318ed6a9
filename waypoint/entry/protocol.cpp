#include "waypoint/entry/protocol.hpp"

#include "culvert/mesh/waypoint.hpp"

namespace culvert::waypoint {

using http::Detected;
using mesh::AppProtocol;

AppProtocol declared_at(const mesh::Snapshot& mesh, const Arrival& arrival) {
  const auto port = arrival.destination.port;
  if (arrival.service != nullptr) {
    const auto* found = arrival.service->find_port(port);
    return found == nullptr ? AppProtocol::kUnknown : found->protocol;
  }
  if (arrival.workload == nullptr) return AppProtocol::kHttp11;
  return mesh::declared_protocol(mesh, *arrival.workload, port);
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
