// `culvert explain` where an edge is asked, or asks: which pod it is, and what it knows.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "culvert/explain/edge.hpp"
#include "culvert/explain_report.hpp"
#include "culvert/l7/route_table.hpp"

namespace culvert::cli {

/// The labels of a pod, as the lab made it; null where it is not of the lab.
const std::map<std::string, std::string>* labels_of(const MeshSource& source,
                                                    const mesh::Workload& pod);
/// Whether the pod runs a proxy: a waypoint, or an edge.
bool is_proxy(const MeshSource& source, const mesh::Workload& pod);
/// Whether it is an edge: a proxy that no Gateway of the Gateway API has started.
bool is_edge(const MeshSource& source, const mesh::Workload& pod);

/// What the pod of an edge, or of a waypoint, knows. All that it is made of outlives it.
class ProxyKnowledge {
 public:
  /// `asked_at`: where the proxy is asked, or else whose family its connections have.
  ProxyKnowledge(const MeshSource& source, const MeshModel& model,
                 const explain::Question& of_client, mesh::WorkloadPtr pod,
                 const SocketAddress& asked_at);
  ProxyKnowledge(const ProxyKnowledge&) = delete;
  ProxyKnowledge& operator=(const ProxyKnowledge&) = delete;

  const explain::Proxy& proxy() const { return edge_.proxy; }
  /// As an edge: of a waypoint no Gateways are known.
  const explain::Edge& edge() const { return edge_; }

 private:
  const explain::Question question_;
  std::vector<l7::EdgeObject> gateways_;
  l7::RouteTablePtr routes_;
  std::map<std::string, l7::RouteTablePtr> of_waypoints_;  // by namespace
  const explain::Edge edge_;
};

/// The edge at which a connection arrives; null where it is none.
mesh::WorkloadPtr edge_reached(const MeshSource& source, const explain::Explanation& connection);

/// An address of the edge that is asked, and the request of `options`.
explain::AskedRequest asked_request(const ExplainOptions& options, const SocketAddress& at);

Json ways_json(const std::vector<explain::Way>& ways, const MeshModel& model);
Json edge_json(const explain::EdgeAnswer& answer, const mesh::Workload& pod,
               const MeshModel& model);

}  // namespace culvert::cli
