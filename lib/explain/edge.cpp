#include "culvert/explain/edge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "culvert/l7/apply.hpp"
#include "follow.hpp"
#include "request_answer.hpp"

namespace culvert::explain {
namespace {

using Kind = l7::Decision::Kind;

std::string name_of(const mesh::Workload& w) {
  return w.ns + "/" + w.name;
}

ObjectRef gateway_ref(const std::string& key) {
  const auto slash = key.find('/');
  return {"Gateway", key.substr(0, slash), key.substr(slash + 1)};
}

/// What a stranger may say: an edge takes the headers away that proxies say to one another.
std::vector<l7::Header> heard(const AskedRequest& request) {
  std::vector<l7::Header> out;
  for (const auto& [name, value] : request.headers) {
    if (!name.starts_with("x-envoy-")) out.push_back({name, value});
  }
  return out;
}

std::vector<l7::HeaderView> views_of(const std::vector<l7::Header>& headers) {
  std::vector<l7::HeaderView> out;
  for (const auto& header : headers) out.push_back({header.name, header.value});
  return out;
}

/// A decision, with what its views are of.
struct Decided {
  Decided(const Edge& edge, std::uint16_t port, const AskedRequest& from)
      : headers(heard(from)), views(views_of(headers)) {
    request = {.method = from.method,
               .scheme = "http",
               .authority = from.authority,
               .path = from.path,
               .headers = views};
    target.host = from.authority;
    target.port = port;
    target.viewer = edge.question.source->ns;
    l7::Random random(1);
    decision =
        l7::choose_at_edge(edge.routes, edge.gateways, target, request, client, random, &asked);
  }
  Decided(const Decided&) = delete;
  Decided& operator=(const Decided&) = delete;

  const std::vector<l7::Header> headers;
  const std::vector<l7::HeaderView> views;
  l7::RequestView request;
  l7::ClientView client;  // nobody of the mesh
  l7::TargetView target;
  l7::Decision decision;
  l7::Explanation asked;
};

/// The request as it goes on to one destination of the rule.
RequestQuestion sent_on(const Edge& edge, const Decided& at_edge, const l7::Decision& decision,
                        const l7::RouteTable& routes) {
  auto headers = at_edge.headers;
  l7::apply(decision.destination->request_headers,
            {at_edge.request, at_edge.client, decision.route_name}, headers);
  RequestQuestion out{.routes = routes};
  out.host = decision.cluster->host;
  out.port = decision.cluster->port;
  out.method = at_edge.request.method;
  out.path = at_edge.request.path;
  if (auto path = l7::rewritten_path(decision, out.path)) {
    out.headers.emplace_back("x-envoy-original-path", out.path);
    out.path = path->starts_with('/') ? std::move(*path) : "/" + *path;
  }
  out.authority = at_edge.request.authority;
  if (const auto authority = l7::rewritten_authority(decision)) {
    out.headers.emplace_back("x-envoy-original-host", out.authority);
    out.authority = *authority;
  }
  out.headers.emplace_back("x-forwarded-proto", "http");
  for (auto& [name, value] : headers) out.headers.emplace_back(std::move(name), std::move(value));
  out.client = edge.question.source;
  out.client_labels = edge.labels_of(*edge.question.source);
  return out;
}

void refuse(Explanation& connection, std::string flag, std::string reason) {
  connection.outcome = Outcome::kAnswered;  // by the edge itself
  connection.flag = std::move(flag);
  connection.reason = std::move(reason);
}

/// Those in the way, each with the namespace whose rules it has.
std::map<std::string, std::string> waypoints_in(const Edge& edge, const Explanation& connection) {
  const auto& q = edge.question;
  std::map<std::string, std::string> out;
  for (const Branch& branch : connection.branches) {
    if (!branch.route.via_waypoint) continue;
    const auto& service = connection.service;
    const auto pod = q.snapshot.workload_at({q.source->network, branch.route.target.ip});
    const auto* gateway = service && service->waypoint ? &*service->waypoint
                          : pod && pod->waypoint       ? &*pod->waypoint
                                                       : nullptr;
    if (gateway != nullptr) out[mesh::waypoint_name(*gateway)] = branch.route.workload->ns;
  }
  return out;
}

EdgeWay way_of(const Edge& edge, const Decided& at_edge, const l7::Destination& destination,
               std::uint16_t port) {
  EdgeWay out;
  const l7::Upstream& upstream = *destination.upstream;
  auto decision = at_edge.decision;
  decision.destination = &destination;
  decision.cluster = upstream.find(destination.port, port);
  if (upstream.problem == l7::Upstream::Problem::kRefused) {
    refuse(out.connection, "CR", "the edge answers 503: the DestinationRule there was refused");
  } else if (decision.cluster == nullptr) {
    refuse(out.connection, "NC", "the edge answers 503: nobody has such a host, subset or port");
  } else {
    const auto& cluster = *decision.cluster;
    out.connection = explain_from_edge(edge, edge.question.snapshot.service(cluster.service_key),
                                       cluster.port, cluster.subset, cluster.subset_labels);
    for (const auto& [waypoint, ns] : waypoints_in(edge, out.connection)) {
      out.behind.push_back(
          {waypoint, explain_request(sent_on(edge, at_edge, decision, edge.routes_of(ns)))});
    }
  }
  return out;
}

/// Of several destinations each has its name and its part of the requests.
std::string label_of(const RequestAnswer::Share& share, std::size_t count) {
  return count == 1 ? share.cluster : fmt::format("{} ({:g} %)", share.cluster, share.percent);
}

void tell_way(const Edge& edge, const EdgeWay& way, std::size_t count, std::vector<Step>& out) {
  const auto label = label_of(way.share, count);
  for (auto& step : edge_way_in_words(edge, way.connection, label)) out.push_back(std::move(step));
  for (const auto& behind : way.behind) {
    for (auto step : behind.answer.steps) {
      step.endpoint = label;
      if (step.name == "request") {
        step.text = fmt::format("{}, at the waypoint {}", step.text, behind.waypoint);
      }
      out.push_back(std::move(step));
    }
  }
}

/// What stands between the edge and the service's pods.
Step way_step(const Edge& edge, const Explanation& connection) {
  const auto& q = edge.question;
  Step step{.name = "way"};
  const auto& service = connection.service;
  if (service == nullptr || connection.branches.empty()) {
    step.text = connection.reason;
    if (service != nullptr) step.objects.push_back({"Service", service->ns, service->name});
    return step;
  }
  step.objects.push_back({"Service", service->ns, service->name});
  std::set<std::string> names;
  for (const Branch& branch : connection.branches) {
    if (branch.route.workload == nullptr) continue;
    names.insert(name_of(*branch.route.workload));
    step.objects.push_back({"Pod", branch.route.workload->ns, branch.route.workload->name});
  }
  const auto name = fmt::format("{}/{}", service->ns, service->name);
  if (service->waypoint) {
    step.text = fmt::format("service {} has the waypoint {}: {} goes to it, at {}", name,
                            mesh::waypoint_name(*service->waypoint), name_of(*q.source),
                            fmt::join(names, ", "));
    return step;
  }
  const auto own = waypoints_in(edge, connection);
  step.text = fmt::format("service {} has no waypoint: {} chooses among its pods", name,
                          name_of(*q.source));
  for (const auto& [waypoint, ns] : own) {
    step.text +=
        fmt::format("; some have the waypoint {} of their own, and are reached by it", waypoint);
  }
  return step;
}

}  // namespace

Explanation explain_from_edge(const Edge& edge, const mesh::ServicePtr& service, std::uint16_t port,
                              const std::string& subset, const PodLabels& subset_labels) {
  const Question& q = edge.question;
  Explanation out;
  out.destination.port = port;
  out.service = service;
  if (service == nullptr) {
    refuse(out, "UH", "the edge answers 503: it does not know the service");
    return out;
  }
  for (const auto& vip : service->vips) {
    const bool first = out.destination.ip.is_unspecified();
    if (first || vip.ip.is_v4() == q.destination.ip.is_v4()) out.destination.ip = vip.ip;
  }
  if (service->waypoint && !subset.empty()) {
    refuse(
        out, "UH",
        fmt::format("the edge answers 503: the waypoint {} of {}/{} cannot be told of subset {}",
                    mesh::waypoint_name(*service->waypoint), service->ns, service->name, subset));
    return out;
  }
  const auto next = [&](mesh::RoundRobin& rotation) {
    return mesh::route_to_service(q.snapshot, service, out.destination, *q.source, rotation);
  };
  const auto wanted = [&](const mesh::Route& route) {
    if (subset_labels.empty()) return true;
    const auto pod = q.snapshot.workload_at({q.source->network, route.target.ip});
    const auto* labels = pod ? edge.labels_of(*pod) : nullptr;
    return labels != nullptr && std::ranges::includes(*labels, subset_labels);
  };
  follow_all(q, next, wanted, out);
  out.service = service;
  if (out.branches.empty()) {
    refuse(out, "UH",
           fmt::format("the edge answers 503: {}",
                       !out.unroutable && !subset.empty()
                           ? "no pod that is ready has the labels of subset " + subset
                       : service->waypoint ? "no replica is ready of the waypoint " +
                                                 mesh::waypoint_name(*service->waypoint)
                                           : "nobody of the service is ready"));
    return out;
  }
  sum_up(out);
  return out;
}

std::vector<Step> edge_way_in_words(const Edge& edge, const Explanation& connection,
                                    const std::string& label) {
  std::vector<Step> out{way_step(edge, connection)};
  out.front().endpoint = label;
  for (const Branch& branch : connection.branches) {
    auto endpoint = label;
    if (connection.branches.size() > 1) {
      endpoint += fmt::format("{}{}", label.empty() ? "" : " by ", endpoint_name(branch));
    }
    branch_steps(edge.question, branch, endpoint, out);
  }
  return out;
}

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
  const auto& pod = *edge.question.source;
  step.objects.push_back({"Pod", pod.ns, pod.name});
  step.text = serving.empty()
                  ? fmt::format("no Gateway that selects {} has port {}: nobody listens there",
                                name_of(pod), port)
                  : fmt::format("{} serves port {} by Gateway {}", name_of(pod), port,
                                fmt::join(serving, ", "));
  return step;
}

EdgeAnswer explain_at_edge(const Edge& edge, std::uint16_t port, const AskedRequest& request) {
  const Decided decided(edge, port, request);
  EdgeAnswer out;
  RequestQuestion question{.routes = edge.routes};
  question.host = request.authority;
  question.port = port;
  question.method = request.method;
  question.path = request.path;
  out.request = answer_of(question, decided.decision, decided.asked);
  if (decided.decision.kind != Kind::kNoHost) out.gateway = decided.target.gateway;
  if (decided.decision.forward != nullptr) {
    const auto& destinations = decided.decision.forward->destinations;
    for (std::size_t i = 0; i < destinations.size(); ++i) {
      out.ways.push_back(way_of(edge, decided, destinations[i], port));
      if (i < out.request.shares.size()) out.ways.back().share = out.request.shares[i];
    }
  }
  out.steps.push_back(edge_in_words(edge, port));
  for (const auto& step : out.request.steps) out.steps.push_back(step);
  auto& last = out.steps.back();  // "request"
  if (!out.gateway.empty()) {
    last.text += fmt::format(", by the rules for Gateway {}", out.gateway);
    last.objects.push_back(gateway_ref(out.gateway));
  }
  for (const auto& way : out.ways) tell_way(edge, way, out.ways.size(), out.steps);
  return out;
}

}  // namespace culvert::explain
