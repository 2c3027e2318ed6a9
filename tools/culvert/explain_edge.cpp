#include "culvert/explain_edge.hpp"

#include <algorithm>

#include "culvert/explain_json.hpp"
#include "culvert/explain_request.hpp"
#include "lab/waypoints.hpp"

namespace culvert::cli {
namespace {

std::string name_of(const mesh::Workload& pod) {
  return pod.ns + "/" + pod.name;
}

const lab::Pod* find_pod(const MeshSource& source, const mesh::Workload& pod) {
  const auto& pods = source.state().objects.pods;
  const auto found = std::ranges::find(pods, name_of(pod), &lab::Pod::key);
  return found == pods.end() ? nullptr : &*found;
}

std::vector<l7::EdgeObject> serving(const MeshSource& source, const MeshModel& model,
                                    const mesh::Workload& pod) {
  std::vector<l7::EdgeObject> out;
  const auto* labels = labels_of(source, pod);
  for (const auto& gateway : model.edges) {
    if (labels != nullptr && l7::selects(gateway, *labels)) out.push_back(gateway);
  }
  return out;
}

/// A proxy speaks for itself: its process dials.
explain::Question of_proxy(const explain::Question& of_client, mesh::WorkloadPtr pod,
                           const SocketAddress& asked_at) {
  return {of_client.snapshot,   std::move(pod), asked_at,           {},
          of_client.capture_of, false,          of_client.bypass_of};
}

}  // namespace

const std::map<std::string, std::string>* labels_of(const MeshSource& source,
                                                    const mesh::Workload& pod) {
  const auto* found = find_pod(source, pod);
  return found == nullptr ? nullptr : &found->labels;
}

bool is_proxy(const MeshSource& source, const mesh::Workload& pod) {
  const auto* found = find_pod(source, pod);
  return found != nullptr && lab::is_proxy(*found);
}

bool is_edge(const MeshSource& source, const mesh::Workload& pod) {
  const auto* found = find_pod(source, pod);
  return found != nullptr && lab::is_proxy(*found) && !lab::is_waypoint(*found);
}

ProxyKnowledge::ProxyKnowledge(const MeshSource& source, const MeshModel& model,
                               const explain::Question& of_client, mesh::WorkloadPtr pod,
                               const SocketAddress& asked_at)
    : question_(of_proxy(of_client, std::move(pod), asked_at)),
      gateways_(serving(source, model, *question_.source)),
      routes_(compile_routes(model, question_.source->ns)),
      edge_{
          {question_, is_edge(source, *question_.source) ? "the edge" : name_of(*question_.source),
           [&source](const mesh::Workload& w) { return labels_of(source, w); },
           [this, &model](const std::string& ns) -> const l7::RouteTable& {
             auto& table = of_waypoints_[ns];
             if (table == nullptr) table = compile_routes(model, ns);
             return *table;
           }},
          gateways_,
          *routes_} {}

mesh::WorkloadPtr edge_reached(const MeshSource& source, const explain::Explanation& connection) {
  for (const explain::Branch& branch : connection.branches) {
    const auto& pod = branch.route.workload;
    if (pod != nullptr && !branch.route.via_waypoint && is_edge(source, *pod)) return pod;
  }
  return nullptr;
}

explain::AskedRequest asked_request(const ExplainOptions& options, const SocketAddress& at) {
  explain::AskedRequest out;
  out.method = options.method;
  if (!options.path.empty()) out.path = options.path;
  out.authority = options.authority.empty() ? at.to_string() : options.authority;
  for (const std::string& text : options.headers)
    if (auto header = parse_header(text)) out.headers.push_back(std::move(*header));
  return out;
}

Json ways_json(const std::vector<explain::Way>& ways, const MeshModel& model) {
  auto out = Json::array();
  for (const auto& way : ways) {
    Json one{{"cluster", way.share.cluster},
             {"percent", way.share.percent},
             {"result", result_json(way.connection)},
             {"branches", Json::array()},
             {"waypoints", Json::array()}};
    for (const auto& branch : way.connection.branches)
      one["branches"].push_back(branch_json(branch, std::nullopt, model));
    for (const auto& behind : way.behind)
      one["waypoints"].push_back({{"waypoint", behind.waypoint},
                                  {"request", request_json(behind.request)},
                                  {"ways", ways_json(behind.ways, model)}});
    out.push_back(std::move(one));
  }
  return out;
}

Json edge_json(const explain::EdgeAnswer& answer, const mesh::Workload& pod,
               const MeshModel& model) {
  return {
      {"pod", name_of(pod)}, {"gateway", answer.gateway}, {"ways", ways_json(answer.ways, model)}};
}

}  // namespace culvert::cli
