// docs/defaults.md, row by row: each value is worked out from objects that
// leave the field away.
#include <fmt/format.h>

#include <functional>

#include "lab.hpp"
#include "page.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

std::string words(const RetryOn& on) {
  std::string out;
  for (const auto& name : retry_condition_names()) {
    const auto one = parse_retry_on(name)->conditions;
    if ((on.conditions & one) != 0) out += (out.empty() ? "" : ",") + name;
  }
  return out;
}

std::string ms(std::chrono::milliseconds value) {
  return fmt::format("{} ms", value.count());
}
std::string limit(std::uint32_t value) {
  return value == kUnlimited ? "unlimited" : std::to_string(value);
}
template <class T>
std::string none_or_some(const std::optional<T>& value) {
  return value ? "some" : "none";
}

/// How often something is drawn in 1,000 tries, when it is all or nothing.
std::string share(const std::function<bool()>& draw) {
  int drawn = 0;
  for (int i = 0; i < 1000; ++i) drawn += draw();
  return drawn == 0 ? "0 %" : drawn == 1000 ? "100 %" : "some";
}

TrafficPolicy policy(const std::string& written) {
  auto lab = Lab(subsets(written));
  return lab.choose({}).cluster->policy;
}

OutlierPolicy outlier(const std::string& written = "") {
  return *policy("{outlierDetection: {" + written + "}, connectionPool: {http: {}}}").outlier;
}

using Row = std::pair<std::string, std::string>;

void rule_rows(std::vector<Row>& rows) {
  auto plain = lab_with(to("v2"));
  const auto decision = plain.choose({});
  const auto& forward = *decision.forward;
  rows.emplace_back("`http[].timeout`", forward.timeout.count() == 0 ? "none" : "some");
  rows.emplace_back("`http[].retries`",
                    fmt::format("{} on {}", forward.retry->attempts, words(forward.retry->on)));
  auto given = lab_with("retries: {attempts: 1}, " + to("v2"));
  const auto retries = *retry_policy(given.choose({}));
  rows.emplace_back("`http[].retries.retryOn`", words(retries.on));
  rows.emplace_back("`http[].retries.perTryTimeout`",
                    retries.per_try_timeout ? "its own" : "that of the route");
  rows.emplace_back(
      "`http[].retries.backoff`",
      fmt::format("{}, growing to {}", ms(retries.backoff), ms(retries.backoff * kBackoffGrowth)));
  rows.emplace_back("`http[].retries.retryIgnorePreviousHosts`",
                    retries.avoid_previous_hosts ? "true" : "false");
  auto faulty = lab_with("fault: {delay: {fixedDelay: 1s}, abort: {httpStatus: 500}}, " + to("v2"));
  rows.emplace_back("`http[].fault.delay.percentage`",
                    share([&] { return faulty.choose({}).fault.delay.has_value(); }));
  rows.emplace_back("`http[].fault.abort.percentage`",
                    share([&] { return faulty.choose({}).fault.abort.has_value(); }));
  auto mirrored = lab_with("mirror: {host: ratings}, " + to("v2"));
  rows.emplace_back("`http[].mirrorPercentage`",
                    share([&] { return !mirrored.choose({}).mirrors.empty(); }));
  auto several = lab_with("mirrors: [{destination: {host: ratings}}], " + to("v2"));
  rows.emplace_back("`http[].mirrors[].percentage`",
                    share([&] { return !several.choose({}).mirrors.empty(); }));
  rows.emplace_back("`http[].mirror`: the authority", shadow_authority("reviews"));
}

void more_rule_rows(std::vector<Row>& rows) {
  auto redirect = lab_with("redirect: {uri: /}");
  rows.emplace_back("`http[].redirect.redirectCode`",
                    std::to_string(std::get<Redirect>(redirect.choose({}).rule->action).status));
  auto cors = lab_with("corsPolicy: {allowOrigins: [{exact: a}]}, " + to("v2"));
  rows.emplace_back(
      "`http[].corsPolicy.unmatchedPreflights`",
      cors.choose({}).rule->cors->forward_unmatched_preflights ? "forwarded" : "answered");
  auto single = lab_with(to("v2"));
  rows.emplace_back("`http[].route[].weight` of a single destination",
                    share([&] { return single.where({}) == "v2"; }) == "100 %" ? "all" : "none");
  auto port = lab_with("route: [{destination: {host: ratings}}]");
  rows.emplace_back("`http[].route[].destination.port` of a service with one port",
                    port.choose({.port = 9090}).cluster->port == 80 ? "that port" : "another");
  rows.emplace_back("`http[].match`", single.where({"/any"}) == "v2" ? "every request" : "some");
  auto without = Lab("");
  rows.emplace_back(
      "`hosts` of no VirtualService",
      without.where({}) == "reviews.shop.svc.cluster.local" ? "the service itself" : "");
  rows.emplace_back("`gateways`", single.where({.gateway = "mesh"}) == "v2" ? "mesh" : "");
  rows.emplace_back("`exportTo`",
                    single.where({.ns = "elsewhere"}) == "v2" ? "every namespace" : "");
}

void pool_rows(std::vector<Row>& rows) {
  const auto all = policy("");
  const auto& pool = all.pool;
  const auto at = [&](const std::string& field, std::string value) {
    rows.emplace_back("`trafficPolicy." + field + "`", std::move(value));
  };
  at("loadBalancer.simple", all.balancer == Balancer::kLeastRequest ? "least requests" : "");
  at("connectionPool.tcp.maxConnections", limit(pool.max_connections));
  at("connectionPool.tcp.connectTimeout", ms(pool.connect_timeout));
  at("connectionPool.tcp.tcpKeepalive", none_or_some(pool.tcp_keepalive));
  at("connectionPool.tcp.idleTimeout", ms(pool.tcp_idle_timeout));
  at("connectionPool.tcp.maxConnectionDuration", none_or_some(pool.max_connection_duration));
  at("connectionPool.http.idleTimeout", ms(pool.idle_timeout));
  at("connectionPool.http.http1MaxPendingRequests", limit(pool.max_pending_requests));
  at("connectionPool.http.http2MaxRequests", limit(pool.max_requests));
  at("connectionPool.http.maxRequestsPerConnection",
     pool.max_requests_per_connection == 0 ? "any number" : "some");
  at("connectionPool.http.maxRetries", limit(pool.max_retries));
  at("connectionPool.http.maxConcurrentStreams", limit(pool.max_concurrent_streams));
  at("connectionPool.http.h2UpgradePolicy",
     pool.protocol == UpstreamProtocol::kByPort ? "by the port" : "");
  at("connectionPool.http.http2KeepAlive", none_or_some(pool.ping));
  at("outlierDetection", none_or_some(all.outlier));
}

void outlier_rows(std::vector<Row>& rows) {
  const auto given = outlier();
  const auto at = [&](const std::string& field, std::string value) {
    rows.emplace_back("`trafficPolicy." + field, std::move(value));
  };
  at("outlierDetection.consecutive5xxErrors`", std::to_string(given.consecutive_5xx));
  at("outlierDetection.consecutiveGatewayErrors`",
     given.consecutive_gateway_errors == 0 ? "not looked at" : "some");
  at("outlierDetection.splitExternalLocalOriginErrors`",
     given.split_local_origin ? "true" : "false");
  at("outlierDetection.consecutiveLocalOriginFailures` where split",
     std::to_string(outlier("splitExternalLocalOriginErrors: true").consecutive_local_origin));
  at("outlierDetection.interval`", ms(given.interval));
  at("outlierDetection.baseEjectionTime`", ms(given.base_ejection_time));
  at("outlierDetection.maxEjectionPercent`", fmt::format("{} %", given.max_ejection_percent));
  at("outlierDetection.minHealthPercent`", fmt::format("{} %", given.min_health_percent));
  at("outlierDetection.outlierDetectionHttpErrorCodes`",
     given.error_codes.empty() ? "5xx" : "some");
  at("retryBudget`", none_or_some(policy("").retry_budget));
  const auto budget = *policy("{retryBudget: {}, connectionPool: {http: {}}}").retry_budget;
  at("retryBudget.percent`", fmt::format("{} %", budget.percent));
  at("retryBudget.minRetryConcurrency`", std::to_string(budget.min_concurrency));
  at("retryBudget.budgetInterval`", ms(budget.interval));
}

/// The rows of the table, without its head.
std::vector<Row> documented() {
  std::vector<Row> rows;
  for (const auto& line : test::page("defaults.md")) {
    if (line.starts_with("| `")) rows.push_back(cells(line));
  }
  return rows;
}

}  // namespace

TEST_CASE("the page of defaults says what comes out where a field is absent") {
  std::vector<Row> rows;
  rule_rows(rows);
  more_rule_rows(rows);
  pool_rows(rows);
  outlier_rows(rows);
  const auto page = documented();
  CHECK(page.size() == rows.size());
  for (std::size_t i = 0; i < std::min(page.size(), rows.size()); ++i) {
    CHECK(page[i].first == rows[i].first);
    CAPTURE(rows[i].first);
    CHECK(page[i].second == rows[i].second);
  }
}
