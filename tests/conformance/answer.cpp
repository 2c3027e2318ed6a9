#include "answer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::conformance {
namespace {

using l7::Decision;
using nlohmann::json;

/// The views that a decision takes, of one request.
class Views {
 public:
  explicit Views(const Asked& asked) {
    for (const auto& [name, value] : asked.headers) fields_.push_back({name, value});
    request = {asked.method, asked.scheme, asked.authority, asked.path, fields_};
    client.ns = asked.ns;
    client.labels = &asked.labels;
    client.address = SocketAddress{*IpAddress::parse("10.0.0.5"), 41000};
    client.identity = "spiffe://cluster.local/ns/shop/sa/web";
    target = {asked.gateway, asked.host, asked.port};
  }
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;

  l7::RequestView request;
  l7::ClientView client;
  l7::TargetView target;

 private:
  std::vector<l7::HeaderView> fields_;
};

std::string kind_name(Decision::Kind kind) {
  constexpr std::array kNames = {"forward",  "redirect",   "direct", "no host",
                                 "no route", "no cluster", "refused"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string abort_text(const l7::AbortError& error) {
  if (const auto* http = std::get_if<l7::HttpStatusFault>(&error)) {
    return fmt::format("http {}", http->status);
  }
  if (const auto* grpc = std::get_if<l7::GrpcStatusFault>(&error)) {
    return fmt::format("grpc {}", grpc->status);
  }
  return fmt::format("http2 {}", std::get<l7::Http2ErrorFault>(error).code);
}

std::string ms(std::chrono::milliseconds time) {
  return fmt::format("{}ms", time.count());
}

json retries_json(const l7::RetryPolicy* policy) {
  if (!policy) return nullptr;
  std::vector<std::string> on;
  for (const auto& name : l7::retry_condition_names()) {
    const auto one = l7::parse_retry_on(name);
    if (one && (policy->on.conditions & one->conditions) != 0) on.push_back(name);
  }
  return {{"attempts", policy->attempts},
          {"conditions", on},
          {"codes", policy->on.status_codes},
          {"perTryTimeout", policy->per_try_timeout ? ms(*policy->per_try_timeout) : "none"},
          {"backoff", ms(policy->backoff)},
          {"avoidsPreviousHosts", policy->avoid_previous_hosts}};
}

json headers_json(const std::vector<l7::Header>& headers) {
  json out = json::array();
  for (const auto& [name, value] : headers) out.push_back({name, value});
  return out;
}

json cluster_json(const l7::Cluster& cluster) {
  return {{"host", cluster.host}, {"subset", cluster.subset}, {"port", cluster.port}};
}

json fault_json(const l7::InjectedFault& fault) {
  json out = json::object();
  if (fault.delay) out["delay"] = ms(*fault.delay);
  if (fault.abort) out["abort"] = abort_text(*fault.abort);
  return out;
}

json mirrors_json(const Decision& decision, std::string_view authority) {
  json out = json::array();
  for (const auto& mirror : decision.mirrors) {
    auto one = cluster_json(*mirror.cluster);
    one["authority"] = l7::shadow_authority(authority);
    out.push_back(std::move(one));
  }
  return out;
}

void add_forward(json& out, const Decision& decision, const Asked& asked, const Views& views) {
  const auto authority = l7::rewritten_authority(decision).value_or(asked.authority);
  out["path"] = l7::rewritten_path(decision, asked.path).value_or(asked.path);
  out["authority"] = authority;
  out["timeout"] = ms(decision.forward->timeout);
  out["retries"] = retries_json(l7::retry_policy(decision));
  out["fault"] = fault_json(decision.fault);
  out["mirrors"] = mirrors_json(decision, authority);
  std::vector<l7::Header> headers;
  for (const auto& [name, value] : asked.headers) headers.push_back({name, value});
  if (decision.destination) {
    l7::apply(decision.destination->request_headers,
              {views.request, views.client, decision.route_name}, headers);
  }
  out["sees"] = headers_json(headers);
  if (!decision.cluster) return;
  out["cluster"] = cluster_json(*decision.cluster);
  out["cluster"]["labels"] = decision.cluster->subset_labels;
  out["policy"] = policy_json(decision.cluster->policy);
}

/// Operations on a response: on one of upstream with a few headers, or on our own without any.
json response_headers(const Decision& decision, const Views& views) {
  std::vector<l7::Header> headers;
  if (decision.kind == Decision::Kind::kForward) {
    headers = {{"server", "echo"}, {"x-served", "1"}};
  }
  if (const auto* operations = l7::response_operations(decision)) {
    l7::apply(*operations, {views.request, views.client, decision.route_name}, headers);
  }
  return headers_json(headers);
}

l7::RetryWishes wishes_of(const Asked& asked) {
  l7::RetryWishes wishes;
  if (asked.ns.empty()) return wishes;  // not of the mesh
  for (const auto& [name, value] : asked.headers) l7::read_retry_wish(wishes, name, value);
  return wishes;
}

/// The answer of a pod that plays, before how long it takes.
l7::AttemptResult played(const Script& script, const l7::RetryOn& on) {
  l7::AttemptResult result{.status = script.status != 0 ? script.status : std::uint16_t{200}};
  result.grpc_status = script.grpc_status;
  result.rate_limited = script.header == "x-envoy-ratelimited";
  result.retriable_header =
      std::ranges::find(on.header_names, script.header) != on.header_names.end();
  return result;
}

}  // namespace

Asked read_asked(const json& from) {
  Asked asked;
  asked.method = from.value("method", "GET");
  asked.path = from.value("path", "/");
  asked.scheme = from.value("scheme", "http");
  asked.authority = from.value("authority", "");
  asked.ns = from.value("namespace", "");
  asked.gateway = from.value("gateway", std::string(l7::kMesh));
  asked.host = from.value("host", "");
  asked.port = from.value("port", std::uint16_t{80});
  asked.times = from.value("times", 1U);
  asked.labels = from.value("labels", std::map<std::string, std::string>());
  for (const auto& pair : from.value("headers", json::array())) {
    asked.headers.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return asked;
}

json answer(const l7::RouteTable& table, const Asked& asked, l7::Random& random) {
  const Views views(asked);
  const auto decision = l7::choose_route(table, views.target, views.request, views.client, random);
  l7::Explanation told;
  auto again = random;
  const auto explained =
      l7::choose_route(table, views.target, views.request, views.client, again, &told);
  json out = {{"kind", kind_name(decision.kind)},
              {"route", decision.route_name},
              {"explained", explained.rule == decision.rule && explained.match == decision.match},
              {"why", told.steps.empty() ? "" : told.steps.front().why}};
  if (decision.rule) out["rule"] = decision.rule->virtual_service;
  if (decision.match) out["statPrefix"] = decision.match->stat_prefix;
  if (decision.forward) add_forward(out, decision, asked, views);
  out["gets"] = response_headers(decision, views);
  if (decision.kind == Decision::Kind::kRedirect) {
    out["status"] = std::get<l7::Redirect>(decision.rule->action).status;
    out["location"] = l7::redirect_location(decision, views.request, views.target);
  } else if (decision.kind == Decision::Kind::kDirectResponse) {
    const auto& direct = std::get<l7::DirectResponse>(decision.rule->action);
    out["status"] = direct.status;
    out["body"] = direct.body;
  }
  if (decision.rule && decision.rule->cors) {
    const auto result = l7::cors(*decision.rule->cors, views.request);
    out["cors"] = {{"answered", result.answer}, {"headers", headers_json(result.headers)}};
  }
  return out;
}

json play(const l7::RouteTable& table, const Asked& asked, const Script& script,
          l7::Random& random) {
  const Views views(asked);
  const auto decision = l7::choose_route(table, views.target, views.request, views.client, random);
  if (!decision.cluster) return {{"status", 503}, {"attempts", 0}};
  const auto policy = l7::with_wishes(l7::retry_policy(decision), wishes_of(asked));
  const auto bound = decision.forward->timeout;
  std::chrono::milliseconds spent{0};
  for (std::uint32_t attempt = 1;; ++attempt) {
    const bool plays = script.subset == decision.cluster->subset && attempt <= script.times;
    auto result = played(plays ? script : Script(), policy.on);
    auto takes = plays ? script.wait : std::chrono::milliseconds(0);
    const auto own_bound = policy.per_try_timeout;
    if (own_bound && own_bound->count() > 0 && takes > *own_bound) {
      result.kind = l7::AttemptResult::Kind::kPerTryTimeout;
      result.status = 504;
      takes = *own_bound;
    }
    spent += takes;
    if (bound.count() > 0 && spent > bound) return {{"status", 504}, {"attempts", attempt}};
    if (attempt <= policy.attempts && l7::asks_for_retry(policy.on, result)) continue;
    return {{"status", result.status}, {"attempts", attempt}};
  }
}

json draws(const l7::RouteTable& table, const Asked& asked, l7::Random& random) {
  const Views views(asked);
  std::map<std::string, std::uint32_t> counts;
  for (std::uint32_t i = 0; i < asked.times; ++i) {
    const auto decision =
        l7::choose_route(table, views.target, views.request, views.client, random);
    ++counts[decision.cluster ? decision.cluster->host + "|" + decision.cluster->subset
                              : kind_name(decision.kind)];
    if (decision.fault.delay) ++counts["delay"];
    if (decision.fault.abort) ++counts["abort"];
    for (const auto& mirror : decision.mirrors) {
      ++counts["mirror " + mirror.cluster->host + "|" + mirror.cluster->subset];
    }
  }
  return counts;
}

json policy_json(const l7::TrafficPolicy& policy) {
  constexpr std::array kBalancers = {"LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH"};
  constexpr std::array kProtocols = {"by port", "HTTP/2", "as the client"};
  const auto& pool = policy.pool;
  json out = {{"simple", kBalancers.at(static_cast<std::size_t>(policy.balancer))},
              {"tcp.maxConnections", pool.max_connections},
              {"tcp.connectTimeout", ms(pool.connect_timeout)},
              {"tcp.maxConnectionDuration",
               pool.max_connection_duration ? json(ms(*pool.max_connection_duration)) : json()},
              {"http.idleTimeout", ms(pool.idle_timeout)},
              {"http.http1MaxPendingRequests", pool.max_pending_requests},
              {"http.http2MaxRequests", pool.max_requests},
              {"http.maxRequestsPerConnection", pool.max_requests_per_connection},
              {"http.maxRetries", pool.max_retries},
              {"http.maxConcurrentStreams", pool.max_concurrent_streams},
              {"http.protocol", kProtocols.at(static_cast<std::size_t>(pool.protocol))}};
  if (const auto& keepalive = pool.tcp_keepalive) {
    out["tcp.tcpKeepalive"] =
        fmt::format("{} {} {}", keepalive->probes, ms(keepalive->time), ms(keepalive->interval));
  }
  if (const auto& ping = pool.ping) {
    out["http.http2KeepAlive"] = ms(ping->interval) + " " + ms(ping->timeout);
  }
  if (const auto& outlier = policy.outlier) {
    out["outlier.consecutive5xxErrors"] = outlier->consecutive_5xx;
    out["outlier.consecutiveGatewayErrors"] = outlier->consecutive_gateway_errors;
    out["outlier.splitExternalLocalOriginErrors"] = outlier->split_local_origin;
    out["outlier.consecutiveLocalOriginFailures"] = outlier->consecutive_local_origin;
    out["outlier.interval"] = ms(outlier->interval);
    out["outlier.baseEjectionTime"] = ms(outlier->base_ejection_time);
    out["outlier.maxEjectionPercent"] = outlier->max_ejection_percent;
    out["outlier.minHealthPercent"] = outlier->min_health_percent;
    out["outlier.outlierDetectionHttpErrorCodes"] = outlier->error_codes;
  }
  if (const auto& budget = policy.retry_budget) {
    out["retryBudget.percent"] = budget->percent;
    out["retryBudget.minRetryConcurrency"] = budget->min_concurrency;
    out["retryBudget.budgetInterval"] = ms(budget->interval);
  }
  return out;
}

}  // namespace culvert::conformance
