// The ways on of a request that a proxy, an edge or a waypoint, sends somewhere by its rules: to
// the waypoint of the service there, by whose rules it may be led on again, or to pods. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "culvert/explain/request.hpp"
#include "culvert/explain/words.hpp"

namespace culvert::explain {

/// Ways of one request that are followed, all rules of all waypoints together.
inline constexpr std::size_t kMaxWays = 64;

using PodLabels = std::map<std::string, std::string>;

/// Who sends requests on, and what is known there. The reference outlives the call.
struct Proxy {
  /// Of the proxy itself: `source` is its pod, `destination` where it was asked, whose family its
  /// own connections have; `capture` is not looked at.
  const Question& question;
  std::string called;  // "the edge", "shop/waypoint-1"
  /// Of a pod; null: not known.
  std::function<const PodLabels*(const mesh::Workload&)> labels_of;
  /// The routes as proxies of this namespace have them; held by who gives them.
  std::function<const l7::RouteTable&(const std::string& ns)> routes_of;
};

struct Way;

/// What a waypoint does with a request.
struct AtWaypoint {
  std::string waypoint;  // its name
  RequestAnswer request;
  std::vector<Way> ways;  // to services that have another waypoint; what is its own is left out
};

/// One destination of a rule at a proxy.
struct Way {
  RequestAnswer::Share share;
  Explanation connection;  // the proxy's, to who answers there; no branch where it sends nothing
  /// What a waypoint in the way does with the request, as the proxy sends it on.
  std::vector<AtWaypoint> behind;
  std::vector<Step> steps;  // "way", those of each connection, and those of each waypoint behind
};

/// A request at a waypoint, which the workload of `proxy` is of.
struct AskedAtWaypoint {
  RequestQuestion request;
  std::uint32_t passed = 0;  // waypoints before this one, an edge counted
  /// It was asked for a pod, which gets the request unless the rule names others.
  bool dialled = false;
};
AtWaypoint explain_at_waypoint(const Proxy& proxy, const AskedAtWaypoint& asked);

/// The proxy's own connections for a port of a service, and of a subset of it: to the service's
/// waypoint, else to its pods, each by its own waypoint if it has one.
Explanation explain_from_proxy(const Proxy& proxy, const mesh::ServicePtr& service,
                               std::uint16_t port, const std::string& subset = {},
                               const PodLabels& subset_labels = {});
/// The same in words: "way", then the steps of each connection. `label` names the destination where
/// several are told of.
std::vector<Step> way_in_words(const Proxy& proxy, const Explanation& connection,
                               const std::string& label = {});

}  // namespace culvert::explain
