// The head that goes upstream: what came, with what the rule makes of it.
#pragma once

#include "culvert/l7/rule.hpp"
#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// Fills in memory->outgoing: rewrites, the rule's operations, x-envoy-original-path.
void prepare_upstream_head(Exchange& x);
/// What differs from attempt to attempt: its count, and the time that is left to upstream.
void set_attempt_fields(Exchange& x, std::uint32_t attempt);

/// What the upstream is spoken to in, by its policy, its port's declaration and the client.
HttpVersion upstream_version(const Exchange& x, const l7::Cluster* cluster);

}  // namespace culvert::waypoint
