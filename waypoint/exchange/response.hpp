// Responses: what a head gets before it goes to the client, and the answers that are our own.
#pragma once

#include <string_view>

#include "waypoint/exchange/exchange.hpp"

namespace culvert::waypoint {

/// So long a client may take to read an answer of ours.
inline constexpr std::chrono::seconds kReplyTimeout{30};

/// Does `operations` to `fields`, in order. Names that belong to the connection or the framing are
/// left alone (http::Body and the writers have those).
void apply_operations(const l7::HeaderOperations& operations, const l7::ExchangeView& exchange,
                      http::Fields& fields);

/// The rule's operations and CORS, on upstream's answer or one that a rule gives.
void finish_response_head(Exchange& x, http::ResponseHead& head);

/// Redirect, direct response, and what cannot be routed; false where the decision is to forward.
bool is_answered_here(const l7::Decision& decision);
io::Task<> answer_by_rule(Exchange& x);
/// 200 to a preflight.
io::Task<> answer_preflight(Exchange& x);
/// The answer that the table has for this end, as the client can read it: a gRPC one for gRPC.
io::Task<> answer_failure(Exchange& x, ExchangeEnd how);
/// The abort of a rule.
io::Task<> answer_fault(Exchange& x, const l7::AbortError& error);

}  // namespace culvert::waypoint
