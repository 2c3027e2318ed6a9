// What an edge does with an HTTP request that need not exist, in two stages: the rules of its
// Gateways, then for each destination the way there and, where a waypoint is in it, that one's
// rules. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "culvert/explain/request.hpp"
#include "culvert/explain/words.hpp"
#include "culvert/l7/edge.hpp"

namespace culvert::explain {

using PodLabels = std::map<std::string, std::string>;

/// An edge, and what is known there. The references outlive the call.
struct Edge {
  /// Of the edge itself: `source` is its pod, `destination` where it was asked, whose family its
  /// own connections have; `capture` is not looked at.
  const Question& question;
  std::span<const l7::EdgeObject> gateways;  // that select it, in the order of their keys
  const l7::RouteTable& routes;              // as it has them
  /// Of a pod; null: not known.
  std::function<const PodLabels*(const mesh::Workload&)> labels_of;
  /// The routes as waypoints of this namespace have them; held by who gives them.
  std::function<const l7::RouteTable&(const std::string& ns)> routes_of;
};

/// A request as it comes to the edge.
struct AskedRequest {
  std::string method = "GET";
  std::string path = "/";  // with its query
  std::string authority;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
};

/// One destination of a rule at an edge.
struct EdgeWay {
  RequestAnswer::Share share;
  Explanation connection;  // the edge's, to who answers there; no branch where it sends nothing
  /// What a waypoint in the way does with the request, as the edge sends it on.
  struct Behind {
    std::string waypoint;  // its name
    RequestAnswer answer;
  };
  std::vector<Behind> behind;
};

struct EdgeAnswer {
  std::string gateway;    // "NAMESPACE/NAME" of the one that decides; empty: none takes it
  RequestAnswer request;  // by the rules there
  std::vector<EdgeWay> ways;
  std::vector<Step> steps;  // "edge", then those of a request, then of each way
};

/// `port`: of the edge, where the request arrives.
EdgeAnswer explain_at_edge(const Edge& edge, std::uint16_t port, const AskedRequest& request);

/// The edge's own connections for a port of a service, and of a subset of it: to the service's
/// waypoint, else to its pods, each by its own waypoint if it has one.
Explanation explain_from_edge(const Edge& edge, const mesh::ServicePtr& service, std::uint16_t port,
                              const std::string& subset = {}, const PodLabels& subset_labels = {});
/// The same in words: "way", then the steps of each connection. `label` names the destination where
/// several are told of.
std::vector<Step> edge_way_in_words(const Edge& edge, const Explanation& connection,
                                    const std::string& label = {});

/// What the edge serves at the port, in words: one step, "edge".
Step edge_in_words(const Edge& edge, std::uint16_t port);

}  // namespace culvert::explain
