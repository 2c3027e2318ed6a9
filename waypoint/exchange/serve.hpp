// serve_exchange(): the life of one HTTP request, from its head to the end of its answer.
#pragma once

#include "waypoint/exchange/context.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint {

/// Serves the request of `client`, which came by `arrival`; all three outlive it. The fiber that
/// runs it is stopped when the client goes away: then what it has under way upstream is cancelled
/// at once. The log is told of every request, once.
io::Task<> serve_exchange(ExchangeContext* context, const Arrival* arrival, ServerExchange* client);

}  // namespace culvert::waypoint
