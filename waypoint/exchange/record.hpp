// What an exchange says of itself when it is over, filled in as it goes.
#pragma once

#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// The request's own words, once it has been received. The record is used again: all is set.
void begin_record(Exchange& x);
/// The rule, once it is chosen.
void record_route(Exchange& x);

}  // namespace culvert::waypoint
