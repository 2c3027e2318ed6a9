#include "waypoint/exchange/retry_plan.hpp"

#include <algorithm>

#include "culvert/io/loop.hpp"

namespace culvert::waypoint {
namespace {

l7::Time now() {
  return std::chrono::duration_cast<l7::Time>(io::Loop::current().now().time_since_epoch());
}

/// Of times of which 0 means none.
bool is_less(std::chrono::milliseconds time, std::chrono::milliseconds than) {
  return time.count() > 0 && (than.count() == 0 || time < than);
}

}  // namespace

RetryPlan::RetryPlan(Exchange& exchange, ClusterState& cluster)
    : exchange_(exchange),
      cluster_(cluster),
      policy_(l7::with_wishes(l7::retry_policy(exchange.decision), exchange.wishes.retries)),
      left_(policy_.attempts) {}

bool RetryPlan::names_one_of(const http::Fields& fields) const {
  return std::ranges::any_of(policy_.on.header_names, [&fields](const std::string& name) {
    return fields.find(name).has_value();
  });
}

bool RetryPlan::take(const l7::AttemptResult& result, bool can_replay) {
  if (!l7::asks_for_retry(policy_.on, result)) return false;
  if (left_ == 0) {
    if (taken_ > 0) exchange_.record.flags.set(ExchangeFlag::kRetriesExceeded);
    return false;
  }
  if (!can_replay) return false;
  end_retry();
  if (!cluster_.begin_retry(now())) {
    exchange_.record.flags.set(ExchangeFlag::kUpstreamOverflow);
    return false;
  }
  retrying_ = true;
  --left_;
  ++taken_;
  return true;
}

std::chrono::milliseconds RetryPlan::backoff() {
  return l7::retry_backoff(policy_, taken_, exchange_.context.random());
}

void RetryPlan::end_retry() {
  if (std::exchange(retrying_, false)) cluster_.end_retry();
}

void set_times(Exchange& x) {
  using std::chrono::milliseconds;
  const auto* retry = l7::retry_policy(x.decision);
  const auto of_route = x.decision.forward->timeout;
  x.times.timeout = x.wishes.timeout.value_or(of_route);
  x.times.timeout_is_callers = is_less(x.times.timeout, of_route);
  const auto per_try = retry != nullptr ? retry->per_try_timeout : std::nullopt;
  x.times.per_try = x.wishes.per_try ? x.wishes.per_try : per_try;
  if (x.times.per_try && x.times.per_try->count() == 0) x.times.per_try.reset();
  x.times.per_try_is_callers =
      is_less(x.times.per_try.value_or(milliseconds(0)), per_try.value_or(milliseconds(0)));
  if (x.wishes.grpc_timeout) {
    x.times.grpc = later(x.began, std::chrono::ceil<io::Clock::duration>(*x.wishes.grpc_timeout));
  }
}

}  // namespace culvert::waypoint
