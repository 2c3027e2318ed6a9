// Forwarding: a request's attempts at its upstream, until one of them answers the client.
#pragma once

#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// Sends the request upstream, as often as its retries allow, and answers the client; what is left
/// unfinished when its fiber is stopped is cancelled upstream.
io::Task<> forward(Exchange& x);

}  // namespace culvert::waypoint
