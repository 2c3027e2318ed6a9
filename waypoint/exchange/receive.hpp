// The first steps with a request: it is brought into the form by which it is routed, and told apart
// from what its sender may not say. Then its route is chosen.
#pragma once

#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// Normalises the path; x-request-id, x-forwarded-for, -proto and -client-cert are set as Istio's
/// proxies do; x-envoy-* of the caller are read and taken away. False: the path cannot be
/// normalised (400).
bool receive_request(Exchange& x);

/// Fills in x.decision.
void choose_route(Exchange& x);

/// "application/grpc", "application/grpc+proto", ...
bool is_grpc(std::string_view content_type);

}  // namespace culvert::waypoint
