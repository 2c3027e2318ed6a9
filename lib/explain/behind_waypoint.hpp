// What becomes of a connection at a waypoint and behind it, as far as no request has to be known.
// Pure. Private to lib/explain.
#pragma once

#include "culvert/explain/explain.hpp"

namespace culvert::explain {

/// Fills the verdict of the waypoint's own policies, what each destination behind it decides about
/// client and waypoint, and from both the outcome. `branch` leads to a waypoint's workload; `from`
/// is the source's address.
void pass_waypoint(const Question& q, const IpAddress& from, Branch& branch);

}  // namespace culvert::explain
