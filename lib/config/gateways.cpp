#include "culvert/config/gateways.hpp"

#include "gateway_api.pb.h"

namespace culvert::config {

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
  if (object.key.kind == "Gateway") return IstioGatewayText{};
  return {};
}

}  // namespace culvert::config
