// What a starter of pods has to know of Gateways, without their messages. Pure.
#pragma once

#include <map>
#include <string>
#include <variant>

#include "culvert/config/object.hpp"

namespace culvert::config {

/// A GatewayClass.
struct GatewayClassText {
  std::string controller;
};
/// A Gateway of the Gateway API.
struct KubernetesGatewayText {
  std::string class_name;
  std::map<std::string, std::string> annotations;
};
/// A Gateway of Istio's: whom it selects, the edges find out for themselves.
struct IstioGatewayText {};
/// monostate: another object.
using GatewayText =
    std::variant<std::monostate, GatewayClassText, KubernetesGatewayText, IstioGatewayText>;

GatewayText gateway_text(const Object& object);

}  // namespace culvert::config
