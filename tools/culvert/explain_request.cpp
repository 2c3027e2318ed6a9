#include "culvert/explain_request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "culvert/explain_edge.hpp"
#include "culvert/http/fields.hpp"
#include "culvert/l7/compiler.hpp"
#include "culvert/l7/wire_object.hpp"

namespace culvert::cli {
namespace {

const char* kind_name(l7::Decision::Kind kind) {
  using Kind = l7::Decision::Kind;
  switch (kind) {
    case Kind::kForward:
      return "forward";
    case Kind::kRedirect:
      return "redirect";
    case Kind::kDirectResponse:
      return "direct-response";
    case Kind::kNoHost:
      return "no-host";
    case Kind::kNoRoute:
      return "no-route";
    case Kind::kNoCluster:
      return "no-cluster";
    case Kind::kRefused:
      return "refused";
  }
  return "";
}

// Of the Gateway's namespace: "shop" of "shop/waypoint.shop.svc.cluster.local".
std::string namespace_of(const mesh::GatewayAddress& waypoint, const std::string& otherwise) {
  const auto* key = std::get_if<std::string>(&waypoint.destination);
  return key == nullptr ? otherwise : key->substr(0, key->find('/'));
}

/// The service by whose rules a waypoint decides.
struct HostAsked {
  std::string host;
  std::uint16_t port = 0;
  std::string rules_of;  // the waypoint's namespace
  /// The connection to a replica; null: none is ready.
  const explain::Branch* branch = nullptr;
  bool dialled = false;  // it is asked for the pod, by its own waypoint
};

// The service that was addressed or, behind a pod's own waypoint, the first of the pod's that leads
// to the port. nullopt: no waypoint is in the way.
std::optional<HostAsked> host_asked(const MeshModel& model, const ExplainReport& report) {
  const SocketAddress& to = report.destination.address;
  const mesh::NetworkAddress address{report.source->network, to.ip};
  const auto& branches = report.predicted.branches;
  const auto by = std::ranges::find_if(
      branches, [](const explain::Branch& branch) { return branch.route.via_waypoint; });
  const auto* branch = by == branches.end() ? nullptr : &*by;
  if (const auto service = model.snapshot->service_at(address, report.source->ns)) {
    if (branch != nullptr) {
      return HostAsked{service->hostname, to.port, branch->route.workload->ns, branch,
                       !service->waypoint};
    }
    if (!service->waypoint) return std::nullopt;
    return HostAsked{service->hostname, to.port, namespace_of(*service->waypoint, service->ns)};
  }
  const auto pod = model.snapshot->workload_at(address);
  if (!pod || branch == nullptr) return std::nullopt;
  for (const auto& [key, ports] : pod->services) {
    const auto mapping = std::ranges::find(ports, to.port, &mesh::PortMapping::target_port);
    const auto service = model.snapshot->service(key);
    if (mapping == ports.end() || !service || service->ns != pod->ns) continue;
    return HostAsked{service->hostname, mapping->service_port, branch->route.workload->ns, branch,
                     true};
  }
  return std::nullopt;
}

}  // namespace

l7::RouteTablePtr compile_routes(const MeshModel& model, const std::string& ns) {
  l7::Compiler compiler({"cluster.local", "istio-system", ns});
  for (const auto& service : model.snapshot->services()) compiler.put(service);
  for (const std::string& bytes : model.virtual_services)
    if (auto object = l7::parse_virtual_service(bytes)) compiler.put(std::move(*object));
  for (const std::string& bytes : model.destination_rules)
    if (auto object = l7::parse_destination_rule(bytes)) compiler.put(std::move(*object));
  return compiler.compile();
}

std::optional<std::pair<std::string, std::string>> parse_header(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto begin = text.find_first_not_of(' ', colon + 1);
  http::Fields fields;
  const bool fits =
      fields.add(std::string_view(text).substr(0, colon),
                 begin == std::string::npos ? "" : std::string_view(text).substr(begin));
  if (!fits) return std::nullopt;
  return std::pair{std::string(fields[0].name), std::string(fields[0].value)};
}

lab::Outcome<explain::AtWaypoint> explain_http(const ExplainOptions& o, const MeshSource& source,
                                               const MeshModel& model,
                                               const explain::Question& of_client,
                                               const ExplainReport& report) {
  const auto asked = host_asked(model, report);
  if (!asked)
    return lab::problem(
        fmt::format("no waypoint stands in front of {}: no HTTP rule is asked",
                    report.destination.address.to_string()),
        "leave --path and the like out, or label the service istio.io/use-waypoint");
  const auto routes = compile_routes(model, asked->rules_of);
  explain::RequestQuestion question{.routes = *routes,
                                    .host = asked->host,
                                    .port = asked->port,
                                    .method = o.method,
                                    .path = o.path.empty() ? "/" : o.path,
                                    .authority = o.authority,
                                    .client = report.source,
                                    .client_labels = labels_of(source, *report.source)};
  for (const std::string& text : o.headers)
    if (auto header = parse_header(text)) question.headers.push_back(std::move(*header));
  if (asked->branch == nullptr) {
    explain::AtWaypoint out;
    out.request = explain::explain_request(question);
    return out;
  }
  const auto& route = asked->branch->route;
  const ProxyKnowledge waypoint(source, model, of_client, route.workload, route.target);
  const std::uint32_t passed = is_proxy(source, *report.source) ? 1 : 0;
  return explain::explain_at_waypoint(waypoint.proxy(),
                                      {std::move(question), passed, asked->dialled});
}

Json request_json(const explain::RequestAnswer& answer) {
  Json out{{"kind", kind_name(answer.kind)},
           {"route_name", answer.route_name},
           {"virtual_service", answer.virtual_service},
           {"text", answer.text},
           {"shares", Json::array()},
           {"steps", Json::array()}};
  for (const auto& share : answer.shares)
    out["shares"].push_back({{"cluster", share.cluster}, {"percent", share.percent}});
  for (const auto& step : answer.steps)
    out["steps"].push_back({{"step", step.name}, {"text", step.text}});
  return out;
}

}  // namespace culvert::cli
