// The life of a request, top to bottom. What comes to a filter later has its place here: L7 policy
// and JWT between its form and its route, rate limits behind the route, external authorization
// before the faults.
#include "waypoint/exchange/serve.hpp"

#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "waypoint/exchange/forward.hpp"
#include "waypoint/exchange/receive.hpp"
#include "waypoint/exchange/record.hpp"
#include "waypoint/exchange/response.hpp"

namespace culvert::waypoint {
namespace {

/// CORS of the rule: what the answer will say. True for a preflight, which is answered by it.
bool apply_cors(Exchange& x) {
  if (x.decision.rule == nullptr || !x.decision.rule->cors) return false;
  auto result = l7::cors(*x.decision.rule->cors, x.request);
  x.cors_headers = std::move(result.headers);
  return result.answer;
}

bool has_faults(const Exchange& x) {
  return x.decision.fault.delay || x.decision.fault.abort;
}

/// True when the client got the rule's abort instead of an answer, or did not wait for it.
io::Task<bool> suffer_faults(Exchange& x) {
  const auto& fault = x.decision.fault;
  if (fault.delay) {
    x.record.flags.set(ExchangeFlag::kDelayInjected);
    if (!co_await io::sleep_until(io::Loop::current().now() + *fault.delay)) {
      record_stop(x);
      co_return true;
    }
  }
  if (!fault.abort) co_return false;
  co_await answer_fault(x, *fault.abort);
  co_return true;
}

}  // namespace

io::Task<> serve_exchange(ExchangeContext* context, const Arrival* arrival,
                          ServerExchange* client) {
  Exchange x(*context, *arrival, *client);
  if (!receive_request(x)) {
    co_await answer_failure(x, ExchangeEnd::kClientProtocol);
    co_return;
  }
  choose_route(x);
  context->log().began(x.record, x.began);
  if (apply_cors(x)) {
    co_await answer_preflight(x);
    co_return;
  }
  if (is_answered_here(x.decision)) {
    co_await answer_by_rule(x);
    co_return;
  }
  if (has_faults(x) && co_await suffer_faults(x)) co_return;
  co_await forward(x);
}

}  // namespace culvert::waypoint
