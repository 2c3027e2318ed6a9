// The head that goes upstream: what came, with what the rule makes of it.
#pragma once

#include "culvert/l7/rule.hpp"
#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// Fills in memory->outgoing: rewrites, the rule's operations, x-envoy-original-path.
void prepare_upstream_head(Exchange& x);
/// What differs from attempt to attempt: its count, and the time that is left to upstream.
void set_attempt_fields(Exchange& x, std::uint32_t attempt);

/// Said from one waypoint to the next, and to nobody else: how many a request has passed.
inline constexpr std::string_view kWaypointsPassed = "x-culvert-waypoints-passed";
/// False: `host` is another waypoint, and the request has passed as many as may be.
bool may_go_to(const Host& host, std::uint32_t waypoints_before);
/// Tells a host that is another waypoint how many there have been, and takes it back from others.
void set_waypoints_passed(const Host& host, std::uint32_t waypoints_before, http::Fields& fields);

/// What the upstream is spoken to in, by the policy that its cluster is under
/// (ClusterState::policy: at an edge nobody's where a waypoint is in front), its port's declaration
/// and the client.
HttpVersion upstream_version(const Exchange& x, const l7::Cluster* cluster,
                             const l7::TrafficPolicy& policy);

}  // namespace culvert::waypoint
