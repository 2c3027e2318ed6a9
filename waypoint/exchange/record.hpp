// What an exchange says of itself when it is over, filled in as it goes.
#pragma once

#include "culvert/http/refusal.hpp"
#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// The request's own words, once it has been received. The record is used again: all is set.
void begin_record(Exchange& x);
/// The rule, once it is chosen.
void record_route(Exchange& x);
/// The client's request, or its body, is not taken: the end that it makes, with the reason as
/// details ("the_path_is_..." : the text log separates by spaces).
void record_refusal(const http::Refusal& why, telemetry::ExchangeRecord& record);
/// The client's side ended it: who, its connection knows.
void record_stop(Exchange& x);
/// Tells the log of a request that was refused before it was one: its words are not known.
void record_refused(ExchangeContext& context, const Arrival& arrival, http::Version version,
                    const http::Refusal& why);

}  // namespace culvert::waypoint
