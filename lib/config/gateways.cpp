#include "culvert/config/gateways.hpp"

#include <algorithm>

#include "gateway_api.pb.h"
#include "istio_objects.pb.h"

namespace culvert::config {
namespace {

IstioGatewayText istio_text(const api::istio::Gateway& object) {
  const auto& spec = object.spec();
  IstioGatewayText out{{spec.selector().begin(), spec.selector().end()}, {}};
  for (const auto& server : spec.servers()) {
    const auto port = static_cast<std::uint16_t>(server.port().number());
    if (std::ranges::find(out.ports, port) == out.ports.end()) out.ports.push_back(port);
  }
  return out;
}

}  // namespace

GatewayText gateway_text(const Object& object) {
  if (object.key.kind == "GatewayClass") {
    return GatewayClassText{
        message_as<api::gateway::GatewayClass>(object).spec().controller_name()};
  }
  if (object.key.kind == "KubernetesGateway") {
    const auto& gateway = message_as<api::gateway::Gateway>(object);
    const auto& annotations = gateway.metadata().annotations();
    return KubernetesGatewayText{gateway.spec().gateway_class_name(),
                                 {annotations.begin(), annotations.end()}};
  }
  if (object.key.kind == "Gateway") return istio_text(message_as<api::istio::Gateway>(object));
  return {};
}

}  // namespace culvert::config
