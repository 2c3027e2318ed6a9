// Which rule a request meets, and what it gets. Pure: the table, the request and chance are passed
// in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "culvert/l7/random.hpp"
#include "culvert/l7/request.hpp"
#include "culvert/l7/route_table.hpp"

namespace culvert::l7 {

struct ChosenMirror {
  const Cluster* cluster = nullptr;
  const Mirror* mirror = nullptr;
};

/// Points into the table, which must live as long.
struct Decision {
  enum class Kind : std::uint8_t {
    kForward,
    kRedirect,
    kDirectResponse,
    kNoHost,     // 404 NR: the gateway serves no such host
    kNoRoute,    // 404 NR: no rule of the host matches
    kNoCluster,  // 503 NC: the rule leads to a host, subset or port that nobody has
    kRefused,    // 503 CR: all that was said of the host was refused, or the DestinationRule of
                 // where the rule leads
  };
  Kind kind = Kind::kNoRoute;
  const HostRoutes* host = nullptr;          // null: a service of which no VirtualService speaks
  const Rule* rule = nullptr;                // null for the same, and where none matched
  const RequestMatch* match = nullptr;       // null also where the rule takes every request
  std::string_view route_name = "";          // "default" for a service without rules
  const Forward* forward = nullptr;          // kForward, kNoCluster, perhaps kRefused
  const Destination* destination = nullptr;  // drawn by weight
  const Cluster* cluster = nullptr;          // kForward
  InjectedFault fault;                       // drawn
  std::vector<ChosenMirror> mirrors;         // drawn, without those that lead nowhere
};

/// What was asked on the way to a decision, for people.
struct Explanation {
  struct Step {
    std::string route_name;
    std::string virtual_service;
    std::size_t index = 0;  // in its `http`
    bool matched = false;
    std::string why;  // "header end-user is \"jason\"", "the path does not match prefix \"/v2\""
  };
  std::vector<Step> steps;
};

/// First match wins. A service of the mesh without any rules is forwarded to, as it is. With an
/// `explanation` every rule up to the match is asked, and told of; the decision is the same.
Decision choose_route(const RouteTable& table, const TargetView& target, const RequestView& request,
                      const ClientView& client, Random& random, Explanation* explanation = nullptr);

/// Retries where the route is forwarded by: the rule's, or Istio's default; null when there are
/// none.
const RetryPolicy* retry_policy(const Decision& decision);

/// Why one match does not hold, in words.
std::string describe(const Mismatch& mismatch, const RequestMatch& match,
                     const RequestView& request, const ClientView& client,
                     std::uint16_t arrived_at);

}  // namespace culvert::l7
