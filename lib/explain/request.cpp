#include "culvert/explain/request.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "decided.hpp"

namespace culvert::explain {
namespace {

/// "reviews.shop.svc.cluster.local v2 port 9080", or what is wrong with it.
std::string upstream_words(const l7::Destination& destination, std::uint16_t arrived_at) {
  const l7::Upstream& upstream = *destination.upstream;
  const l7::Cluster* cluster = upstream.find(destination.port, arrived_at);
  std::string out = upstream.host;
  if (!upstream.subset.empty()) out += " " + upstream.subset;
  if (upstream.problem == l7::Upstream::Problem::kUnknownHost) return out + " (no such host)";
  if (upstream.problem == l7::Upstream::Problem::kUnknownSubset) return out + " (no such subset)";
  if (upstream.problem == l7::Upstream::Problem::kRefused) {
    return out + " (its DestinationRule is not valid)";
  }
  if (cluster == nullptr) return out + " (no such port)";
  return out + fmt::format(" port {}", cluster->port);
}

using Kind = l7::Decision::Kind;

std::vector<RequestAnswer::Share> shares_of(const l7::Forward& forward, std::uint16_t arrived_at) {
  std::vector<RequestAnswer::Share> out;
  const auto total = static_cast<double>(forward.destinations.back().weights_to_here);
  std::uint64_t before = 0;
  for (const auto& destination : forward.destinations) {
    const auto weight = static_cast<double>(destination.weights_to_here - before);
    before = destination.weights_to_here;
    out.push_back(
        {upstream_words(destination, arrived_at), total > 0 ? weight * 100 / total : 100.0});
  }
  return out;
}

std::string forward_words(const RequestAnswer& answer, const l7::Forward& forward,
                          const std::string& host, std::uint16_t port) {
  std::vector<std::string> parts;
  for (const auto& share : answer.shares) {
    parts.push_back(answer.shares.size() == 1
                        ? share.cluster
                        : fmt::format("{} {:g} %", share.cluster, share.percent));
  }
  if (parts.empty()) parts.push_back(fmt::format("{} port {}", host, port));
  std::string out = fmt::format("forwarded to {}", fmt::join(parts, ", "));
  if (forward.timeout.count() > 0) out += fmt::format("; within {} ms", forward.timeout.count());
  if (forward.rewrite) out += "; rewritten";
  if (forward.delay) out += "; a delay may be injected";
  if (forward.abort) out += "; an abort may be injected";
  if (!forward.mirrors.empty()) out += fmt::format("; mirrored to {}", forward.mirrors.size());
  return out;
}

std::string words(const RequestAnswer& answer, const l7::Decision& decision,
                  const RequestQuestion& q) {
  switch (decision.kind) {
    case Kind::kForward:
    case Kind::kNoCluster: {
      const auto out = forward_words(answer, *decision.forward, q.host, q.port);
      return decision.kind == Kind::kForward ? out
                                             : out + "; what was drawn leads nowhere: 503, flag NC";
    }
    case Kind::kRedirect:
      return fmt::format("redirected with status {}",
                         std::get<l7::Redirect>(decision.rule->action).status);
    case Kind::kDirectResponse:
      return fmt::format("answered with status {}",
                         std::get<l7::DirectResponse>(decision.rule->action).status);
    case Kind::kNoHost:
      return "the gateway serves no such host: 404, flag NR";
    case Kind::kNoRoute:
      return "no rule of the host matches: 404, flag NR";
    case Kind::kRefused:
      if (decision.forward != nullptr) {
        return forward_words(answer, *decision.forward, q.host, q.port) +
               "; the DestinationRule there was refused: 503, flag CR";
      }
      return "all that was said of the host was refused: 503, flag CR";
  }
  return {};
}

ObjectRef object_of(const std::string& virtual_service) {
  const auto slash = virtual_service.find('/');
  return {"VirtualService", virtual_service.substr(0, slash), virtual_service.substr(slash + 1)};
}

void tell_rules(const l7::Explanation& explanation, std::vector<Step>& out) {
  const auto& steps = explanation.steps;
  const std::size_t first = steps.size() > kMaxRulesTold ? steps.size() - kMaxRulesTold : 0;
  if (first > 0) {
    out.push_back({.name = "rule", .text = fmt::format("{} rules before do not match", first)});
  }
  for (std::size_t i = first; i < steps.size(); ++i) {
    const auto place = fmt::format("{} http[{}]", steps[i].virtual_service, steps[i].index);
    Step step{
        .name = "rule",
        .text = fmt::format(
            "{} {}: {}", steps[i].route_name.empty() ? place : steps[i].route_name + " of " + place,
            steps[i].matched ? "matches" : "does not match", steps[i].why)};
    step.objects.push_back(object_of(steps[i].virtual_service));
    out.push_back(std::move(step));
  }
}

}  // namespace

Decided::Decided(const RequestQuestion& asked)
    : question(asked), identity(asked.client ? asked.client->identity().to_string() : "") {
  for (const auto& [name, value] : asked.headers) headers.push_back({name, value});
  request = {.method = asked.method,
             .scheme = "http",
             .authority = asked.authority.empty() ? asked.host : asked.authority,
             .path = asked.path,
             .headers = headers};
  if (asked.client) client.ns = asked.client->ns;
  client.labels = asked.client_labels;
  client.identity = identity;
  target.host = asked.host;
  target.port = asked.port;
}

void decide_at_waypoint(Decided& decided) {
  l7::Random random(1);
  decided.decision = l7::choose_route(decided.question.routes, decided.target, decided.request,
                                      decided.client, random, &decided.explanation);
}

std::vector<RequestAnswer::Share> shares_of(const Decided& decided) {
  const auto* forward = decided.decision.forward;
  if (forward == nullptr || forward->destinations.empty()) return {};
  return shares_of(*forward, decided.question.port);
}

RequestAnswer answer_of(const Decided& decided) {
  const auto& q = decided.question;
  const auto& decision = decided.decision;
  RequestAnswer out;
  out.kind = decision.kind;
  out.route_name = decision.route_name;
  if (decision.rule != nullptr) out.virtual_service = decision.rule->virtual_service;
  out.shares = shares_of(decided);
  out.text = words(out, decision, q);
  tell_rules(decided.explanation, out.steps);
  Step last{
      .name = "request",
      .text = fmt::format("{} {}{}: {}", q.method, decided.request.authority, q.path, out.text)};
  if (!out.virtual_service.empty()) last.objects.push_back(object_of(out.virtual_service));
  out.steps.push_back(std::move(last));
  return out;
}

RequestAnswer explain_request(const RequestQuestion& q) {
  Decided decided(q);
  decide_at_waypoint(decided);
  return answer_of(decided);
}

}  // namespace culvert::explain
