#include "waypoint/exchange/forward.hpp"

#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "waypoint/exchange/attempt.hpp"
#include "waypoint/exchange/mirror.hpp"
#include "waypoint/exchange/record.hpp"
#include "waypoint/exchange/request_body.hpp"
#include "waypoint/exchange/response.hpp"
#include "waypoint/exchange/retry_plan.hpp"
#include "waypoint/exchange/upstream_head.hpp"

namespace culvert::waypoint {
namespace {

/// Hosts that were tried, each once: a caller may ask for any number of attempts.
using Tried = std::vector<HostPtr>;

ClusterStatePtr find_cluster(Exchange& x) {
  auto& clusters = x.context.clusters();
  if (x.decision.cluster != nullptr) return clusters.find(*x.decision.cluster, *x.view);
  return clusters.of_workload(*x.arrival.workload, x.only_port);
}

/// The host of the next attempt; null, with the reason, when there can be none.
HostPtr next_host(Exchange& x, ClusterState& cluster, const RetryPlan& plan, const Tried& tried,
                  ExchangeEnd& why) {
  const auto now =
      std::chrono::duration_cast<l7::Time>(io::Loop::current().now().time_since_epoch());
  ClusterState::Wanted wanted;
  if (plan.avoids_previous_hosts()) wanted.tried = tried;
  if (x.only_port != 0) {
    wanted.only = x.arrival.workload;
    wanted.only_port = x.only_port;
  }
  why = ExchangeEnd::kNoHealthyUpstream;
  auto host = cluster.pick(wanted, x.context.random(), now);
  if (!host) return nullptr;
  why = ExchangeEnd::kWaypointLoop;
  if (!may_go_to(*host, x.waypoints_before)) return nullptr;
  why = ExchangeEnd::kOverflow;
  if (!cluster.admits_request()) return nullptr;
  cluster.count_request(now);
  return host;
}

/// False when the client gets no other attempt: it is away, or time was up meanwhile.
io::Task<bool> wait_before_retry(Exchange& x, RetryPlan& plan) {
  const auto until = io::Loop::current().now() + plan.backoff();
  const bool awake = co_await io::sleep_until(std::min(until, x.times.whole()));
  if (awake && io::Loop::current().now() < x.times.whole()) co_return true;
  if (awake) {
    co_await answer_failure(x, x.times.expired(io::Loop::current().now()));
  } else {
    record_stop(x);
  }
  co_return false;
}

/// What is over before its end, for the client's sake: its body is no good, or its connection ends.
void after_stop(Exchange& x, const RequestBody& body) {
  const auto& failure = body.failure();
  if (!failure || failure->code == ErrorCode::kReset) return record_stop(x);
  x.end(telemetry::end_of_client(*failure));
  if (x.client.refusal() == nullptr) return;
  record_refusal(*x.client.refusal(), x.record);
  if (x.record.status == 0) x.record.status = x.client.refusal()->status;  // its connection says so
}

io::Task<> try_until_answered(Exchange& x, ClusterState& cluster, RequestBody& body,
                              RetryPlan& plan) {
  Tried tried;
  for (std::uint32_t number = 1;; ++number) {
    ExchangeEnd why = ExchangeEnd::kAnswered;
    auto end = Attempt::End::kStopped;
    auto host = next_host(x, cluster, plan, tried, why);
    if (!host) {
      co_await answer_failure(x, why);
      co_return;
    }
    set_attempt_fields(x, number);
    if (host->behind_waypoint != nullptr || number > 1) {
      set_waypoints_passed(*host, x.waypoints_before, x.memory->outgoing.fields);
    }
    {
      Attempt one(x, body, plan, cluster, host);
      body.begin_attempt();
      if (body.moves()) {
        co_await body.beside(one);
      } else if (!body.failure()) {
        co_await one.run();
      }
      if (body.timed_out()) one.expire();
      if (body.detach()) co_await body.stop();
      if (one.answering() || one.end() == Attempt::End::kStopped) after_stop(x, body);
      end = one.end();
      why = one.how();
    }  // nothing of it is under way upstream any more
    if (end == Attempt::End::kFailed) co_await answer_failure(x, why);
    if (end != Attempt::End::kRetry) co_return;
    if (!co_await wait_before_retry(x, plan)) co_return;
    if (std::ranges::find(tried, host) == tried.end()) tried.push_back(std::move(host));
  }
}

}  // namespace

io::Task<> forward(Exchange& x) {
  x.cluster = find_cluster(x);
  auto& cluster = *x.cluster;
  x.record.cluster = cluster.name();
  // Of an edge no service was asked: the rules lead to one.
  if (x.arrival.gateway != l7::kMesh && cluster.service() != nullptr) {
    x.record.service = x.context.parties().of(cluster.service());
  }
  set_times(x);
  prepare_upstream_head(x);
  RetryPlan plan(x, cluster);
  RequestBody body(x, plan.possible());
  start_mirrors(x, body);
  body.start();
  co_await try_until_answered(x, cluster, body, plan);
  if (body.has_fiber()) co_await body.stop();
}

}  // namespace culvert::waypoint
