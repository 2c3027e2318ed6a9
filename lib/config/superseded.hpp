// Values in older fields, moved to the fields that took their place. Private to lib/config.
#pragma once

#include "findings.hpp"

namespace culvert::api::gateway {
class Gateway;
}

namespace culvert::api::istio {
class DestinationRule;
class VirtualService;
}  // namespace culvert::api::istio

namespace culvert::config {

/// fault.*.percent, mirrorPercent, corsPolicy.allowOrigin. Both forms at once are a problem.
void move_superseded(api::istio::VirtualService& object, Findings& findings);
/// outlierDetection.consecutiveErrors.
void move_superseded(api::istio::DestinationRule& object, Findings& findings);
/// A listener's allowedRoutes as older builds saved them; no text has them so.
void move_superseded(api::gateway::Gateway& object, Findings& findings);

}  // namespace culvert::config
