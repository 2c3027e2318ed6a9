#include "culvert/explain/way.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "culvert/l7/apply.hpp"
#include "follow.hpp"
#include "walk.hpp"

namespace culvert::explain {
namespace {

std::string name_of(const mesh::Workload& w) {
  return w.ns + "/" + w.name;
}

/// The request as it goes on to one destination of the rule. Headers that only proxies say to one
/// another are left out: a waypoint takes them away before it asks its rules.
RequestQuestion sent_on(const Proxy& from, const Decided& at, const l7::Decision& decision,
                        const l7::RouteTable& routes) {
  RequestQuestion out{.routes = routes};
  out.host = decision.cluster->host;
  out.port = decision.cluster->port;
  out.method = at.question.method;
  out.path = at.question.path;
  if (auto path = l7::rewritten_path(decision, out.path)) {
    out.path = path->starts_with('/') ? std::move(*path) : "/" + *path;
  }
  out.authority = l7::rewritten_authority(decision).value_or(at.request.authority);
  std::vector<l7::Header> headers;
  for (const auto& [name, value] : at.question.headers) headers.push_back({name, value});
  if (std::ranges::find(headers, "x-forwarded-proto", &l7::Header::name) == headers.end()) {
    headers.push_back({"x-forwarded-proto", "http"});
  }
  l7::apply(decision.destination->request_headers, {at.request, at.client, decision.route_name},
            headers);
  for (auto& [name, value] : headers) out.headers.emplace_back(std::move(name), std::move(value));
  out.client = from.question.source;
  out.client_labels = from.labels_of(*from.question.source);
  return out;
}

/// The proxy itself answers.
void refuse(Explanation& connection, std::string flag, std::string reason) {
  connection.branches.clear();
  connection.outcome = Outcome::kAnswered;
  connection.flag = std::move(flag);
  connection.reason = std::move(reason);
}

/// Those in the way, by name, each with the connection that leads there.
std::map<std::string, const Branch*> waypoints_in(const Proxy& proxy,
                                                  const Explanation& connection) {
  const auto& q = proxy.question;
  std::map<std::string, const Branch*> out;
  for (const Branch& branch : connection.branches) {
    if (!branch.route.via_waypoint) continue;
    const auto& service = connection.service;
    const auto pod = q.snapshot.workload_at({q.source->network, branch.route.target.ip});
    const auto* gateway = service && service->waypoint ? &*service->waypoint
                          : pod && pod->waypoint       ? &*pod->waypoint
                                                       : nullptr;
    if (gateway != nullptr) out.emplace(mesh::waypoint_name(*gateway), &branch);
  }
  return out;
}

/// Of several destinations each has its name and its part of the requests.
std::string label_of(const RequestAnswer::Share& share, bool only_one) {
  return only_one ? share.cluster : fmt::format("{} ({:g} %)", share.cluster, share.percent);
}

/// What stands between the proxy and the service's pods.
Step way_step(const Proxy& proxy, const Explanation& connection) {
  const auto& q = proxy.question;
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
  step.text = fmt::format("service {} has no waypoint: {} chooses among its pods", name,
                          name_of(*q.source));
  for (const auto& [waypoint, branch] : waypoints_in(proxy, connection)) {
    step.text +=
        fmt::format("; some have the waypoint {} of their own, and are reached by it", waypoint);
  }
  return step;
}

/// Whether a waypoint sends what is decided so to another one.
bool leads_to_another(const Proxy& waypoint, const AskedAtWaypoint& asked,
                      const l7::Destination& destination) {
  const auto& q = waypoint.question;
  const auto* cluster = destination.upstream->find(destination.port, asked.request.port);
  const auto service = cluster ? q.snapshot.service(cluster->service_key) : nullptr;
  if (!service || !service->waypoint) return false;
  if (mesh::is_own_waypoint(q.snapshot, *service->waypoint, *q.source)) return false;
  const bool same = cluster->subset.empty() && cluster->host == asked.request.host &&
                    cluster->port == asked.request.port;
  return !asked.dialled || !same;
}

std::vector<Step> in_words(const Proxy& proxy, const Way& way, const std::string& label) {
  auto out = way_in_words(proxy, way.connection, label);
  for (const auto& behind : way.behind) {
    for (auto step : behind.request.steps) {
      step.endpoint = label;
      if (step.name == "request") step.text += ", at the waypoint " + behind.waypoint;
      out.push_back(std::move(step));
    }
    for (const auto& next : behind.ways)
      out.insert(out.end(), next.steps.begin(), next.steps.end());
  }
  return out;
}

}  // namespace

void Walk::pass_waypoints(const Proxy& proxy, const Decided& decided, const l7::Decision& decision,
                          std::uint32_t passed, Way& way) {
  const auto& q = proxy.question;
  for (const auto& [name, branch] : waypoints_in(proxy, way.connection)) {
    const auto& pod = branch->route.workload;
    const Question of_waypoint{q.snapshot,   pod,   branch->route.target, {},
                               q.capture_of, false, q.bypass_of};
    const Proxy waypoint{of_waypoint, name_of(*pod), proxy.labels_of, proxy.routes_of};
    AskedAtWaypoint asked{sent_on(proxy, decided, decision, proxy.routes_of(pod->ns)), passed + 1,
                          !way.connection.service->waypoint};
    auto behind = at_waypoint(waypoint, asked);
    behind.waypoint = name;
    way.behind.push_back(std::move(behind));
  }
}

Way Walk::follow(const Proxy& proxy, const Decided& decided, std::size_t index,
                 std::uint32_t passed) {
  const auto& destinations = decided.decision.forward->destinations;
  const auto& destination = destinations[index];
  const l7::Upstream& upstream = *destination.upstream;
  auto decision = decided.decision;
  decision.destination = &destination;
  decision.cluster = upstream.find(destination.port, decided.question.port);
  Way out;
  out.share = shares_of(decided)[index];
  auto& connection = out.connection;
  if (left_ == 0) {
    connection.reason = fmt::format("not followed: there are more than {} ways", kMaxWays);
  } else if (upstream.problem == l7::Upstream::Problem::kRefused) {
    refuse(connection, "CR", proxy.called + " answers 503: the DestinationRule there was refused");
  } else if (decision.cluster == nullptr) {
    refuse(connection, "NC", proxy.called + " answers 503: nobody has such a host, subset or port");
  } else {
    --left_;
    const auto& cluster = *decision.cluster;
    const auto service = proxy.question.snapshot.service(cluster.service_key);
    connection =
        explain_from_proxy(proxy, service, cluster.port, cluster.subset, cluster.subset_labels);
    const bool to_waypoint = service && service->waypoint && !connection.branches.empty();
    if (to_waypoint && passed + 1 >= mesh::kMaxWaypointsPassed) {
      refuse(connection, "NR",
             fmt::format("{} answers 508: service {}/{} has the waypoint {}, and a request passes "
                         "{} at most",
                         proxy.called, service->ns, service->name,
                         mesh::waypoint_name(*service->waypoint), mesh::kMaxWaypointsPassed));
    }
    pass_waypoints(proxy, decided, decision, passed, out);
  }
  out.steps = in_words(proxy, out, label_of(out.share, destinations.size() == 1));
  return out;
}

std::vector<Way> Walk::from_edge(const Proxy& edge, const Decided& decided) {
  std::vector<Way> out;
  if (decided.decision.forward == nullptr) return out;
  for (std::size_t i = 0; i < decided.decision.forward->destinations.size(); ++i) {
    out.push_back(follow(edge, decided, i, 0));
  }
  return out;
}

AtWaypoint Walk::at_waypoint(const Proxy& proxy, const AskedAtWaypoint& asked) {
  Decided decided(asked.request);
  decide_at_waypoint(decided);
  AtWaypoint out;
  out.request = answer_of(decided);
  if (decided.decision.forward == nullptr) return out;
  const auto& destinations = decided.decision.forward->destinations;
  for (std::size_t i = 0; i < destinations.size(); ++i) {
    if (!leads_to_another(proxy, asked, destinations[i])) continue;
    out.ways.push_back(follow(proxy, decided, i, asked.passed));
  }
  return out;
}

AtWaypoint explain_at_waypoint(const Proxy& proxy, const AskedAtWaypoint& asked) {
  return Walk().at_waypoint(proxy, asked);
}

Explanation explain_from_proxy(const Proxy& proxy, const mesh::ServicePtr& service,
                               std::uint16_t port, const std::string& subset,
                               const PodLabels& subset_labels) {
  const Question& q = proxy.question;
  Explanation out;
  out.destination.port = port;
  out.service = service;
  if (service == nullptr) {
    refuse(out, "UH", proxy.called + " answers 503: it does not know the service");
    return out;
  }
  for (const auto& vip : service->vips) {
    const bool first = out.destination.ip.is_unspecified();
    if (first || vip.ip.is_v4() == q.destination.ip.is_v4()) out.destination.ip = vip.ip;
  }
  if (service->waypoint && !subset.empty()) {
    refuse(out, "UH",
           fmt::format("{} answers 503: the waypoint {} of {}/{} cannot be told of subset {}",
                       proxy.called, mesh::waypoint_name(*service->waypoint), service->ns,
                       service->name, subset));
    return out;
  }
  const auto next = [&](mesh::RoundRobin& rotation) {
    return mesh::route_to_service(q.snapshot, service, out.destination, *q.source, rotation);
  };
  const auto wanted = [&](const mesh::Route& route) {
    if (subset_labels.empty()) return true;
    const auto pod = q.snapshot.workload_at({q.source->network, route.target.ip});
    const auto* labels = pod ? proxy.labels_of(*pod) : nullptr;
    return labels != nullptr && std::ranges::includes(*labels, subset_labels);
  };
  follow_all(q, next, wanted, out);
  out.service = service;
  if (out.branches.empty()) {
    refuse(out, "UH",
           fmt::format("{} answers 503: {}", proxy.called,
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

std::vector<Step> way_in_words(const Proxy& proxy, const Explanation& connection,
                               const std::string& label) {
  std::vector<Step> out{way_step(proxy, connection)};
  out.front().endpoint = label;
  for (const Branch& branch : connection.branches) {
    auto endpoint = label;
    if (connection.branches.size() > 1) {
      endpoint += fmt::format("{}{}", label.empty() ? "" : " by ", endpoint_name(branch));
    }
    branch_steps(proxy.question, branch, endpoint, out);
  }
  return out;
}

}  // namespace culvert::explain
