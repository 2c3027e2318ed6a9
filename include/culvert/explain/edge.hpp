// What an edge does with an HTTP request that need not exist: the rules of its Gateways, then for
// each destination the way there (way.hpp). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "culvert/explain/way.hpp"
#include "culvert/l7/edge.hpp"

namespace culvert::explain {

/// An edge. The references outlive the call.
struct Edge {
  Proxy proxy;
  std::span<const l7::EdgeObject> gateways;  // that select it, in the order of their keys
  const l7::RouteTable& routes;              // as it has them
};

/// A request as it comes to the edge.
struct AskedRequest {
  std::string method = "GET";
  std::string path = "/";  // with its query
  std::string authority;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
};

struct EdgeAnswer {
  std::string gateway;    // "NAMESPACE/NAME" of the one that decides; empty: none takes it
  RequestAnswer request;  // by the rules there
  std::vector<Way> ways;
  std::vector<Step> steps;  // "edge", then those of a request, then of each way
};

/// `port`: of the edge, where the request arrives.
EdgeAnswer explain_at_edge(const Edge& edge, std::uint16_t port, const AskedRequest& request);

/// What the edge serves at the port, in words: one step, "edge".
Step edge_in_words(const Edge& edge, std::uint16_t port);

}  // namespace culvert::explain
