#include "culvert/explain/edge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "walk.hpp"

namespace culvert::explain {
namespace {

ObjectRef gateway_ref(const std::string& key) {
  const auto slash = key.find('/');
  return {"Gateway", key.substr(0, slash), key.substr(slash + 1)};
}

/// As the edge's rules meet it: nobody of the mesh asks, and what only proxies say is taken away.
RequestQuestion heard(const Edge& edge, std::uint16_t port, const AskedRequest& request) {
  RequestQuestion out{.routes = edge.routes};
  out.host = out.authority = request.authority;
  out.port = port;
  out.method = request.method;
  out.path = request.path;
  for (const auto& header : request.headers) {
    if (!header.first.starts_with("x-envoy-")) out.headers.push_back(header);
  }
  return out;
}

}  // namespace

Step edge_in_words(const Edge& edge, std::uint16_t port) {
  Step step{.name = "edge"};
  std::vector<std::string> serving;
  for (const auto& gateway : edge.gateways) {
    std::vector<std::string> hosts;
    for (const auto& server : gateway.servers) {
      if (server.port != port) continue;
      for (const auto& one : server.hosts) {
        hosts.push_back(one.rules_of == "*" ? one.host : one.rules_of + "/" + one.host);
      }
    }
    if (hosts.empty()) continue;
    serving.push_back(fmt::format("{} ({})", gateway.key, fmt::join(hosts, ", ")));
    step.objects.push_back(gateway_ref(gateway.key));
  }
  const auto& pod = *edge.proxy.question.source;
  step.objects.push_back({"Pod", pod.ns, pod.name});
  step.text = serving.empty()
                  ? fmt::format("no Gateway that selects {} has port {}: nobody listens there",
                                pod.ns + "/" + pod.name, port)
                  : fmt::format("{} serves port {} by Gateway {}", pod.ns + "/" + pod.name, port,
                                fmt::join(serving, ", "));
  return step;
}

EdgeAnswer explain_at_edge(const Edge& edge, std::uint16_t port, const AskedRequest& request) {
  const auto question = heard(edge, port, request);
  Decided decided(question);
  decided.target.viewer = edge.proxy.question.source->ns;
  l7::Random random(1);
  decided.decision = l7::choose_at_edge(edge.routes, edge.gateways, decided.target, decided.request,
                                        decided.client, random, &decided.explanation);
  EdgeAnswer out;
  out.request = answer_of(decided);
  if (decided.decision.kind != l7::Decision::Kind::kNoHost) out.gateway = decided.target.gateway;
  out.ways = Walk().from_edge(edge.proxy, decided);
  out.steps.push_back(edge_in_words(edge, port));
  for (const auto& step : out.request.steps) out.steps.push_back(step);
  auto& last = out.steps.back();  // "request"
  if (!out.gateway.empty()) {
    last.text += fmt::format(", by the rules for Gateway {}", out.gateway);
    last.objects.push_back(gateway_ref(out.gateway));
  }
  for (const auto& way : out.ways) {
    out.steps.insert(out.steps.end(), way.steps.begin(), way.steps.end());
  }
  return out;
}

}  // namespace culvert::explain
