// What a connection gets that no VirtualService speaks of: TCP. Pure.
#pragma once

#include "culvert/l7/choose_route.hpp"

namespace culvert::l7 {

/// The service that `target` names at its port, with its DestinationRule: kForward, or kNoHost,
/// kNoCluster, kRefused. At kMesh only.
Decision choose_service(const RouteTable& table, const TargetView& target);

}  // namespace culvert::l7
