// Rules of VirtualServices, compiled: what a request that matches gets. Immutable; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "culvert/l7/fault.hpp"
#include "culvert/l7/header_value.hpp"
#include "culvert/l7/match.hpp"
#include "culvert/l7/retry.hpp"
#include "culvert/l7/traffic_policy.hpp"
#include "culvert/mesh/workload.hpp"

namespace culvert::l7 {

/// One port of one subset of one service: what a request is sent to.
struct Cluster {
  std::string host;    // full name, lower case
  std::string subset;  // empty: all endpoints
  std::uint16_t port = 0;
  std::string service_key;  // "NAMESPACE/HOSTNAME", for the model's endpoints
  std::map<std::string, std::string> subset_labels;
  mesh::AppProtocol protocol = mesh::AppProtocol::kUnknown;
  TrafficPolicy policy;

  /// "outbound|9080|v2|reviews.shop.svc.cluster.local", as Envoy's configuration and logs name it.
  std::string name() const;
};

/// A service, or a subset of it, with all its ports. kRefused: a DestinationRule that counts for it
/// is not valid and never was.
struct Upstream {
  enum class Problem : std::uint8_t { kNone, kUnknownHost, kUnknownSubset, kRefused };
  std::string host;
  std::string ns;  // of the service that has it; empty where nobody does
  std::string subset;
  Problem problem = Problem::kNone;
  std::vector<std::shared_ptr<const Cluster>> ports;  // by port; none where there is a problem

  /// The cluster of `port`; of 0 the only one, or else that of the port where the request arrived.
  /// Null when there is none.
  const Cluster* find(std::uint16_t port, std::uint16_t arrived_at) const;
};
using UpstreamPtr = std::shared_ptr<const Upstream>;

struct HeaderOperation {
  enum class Kind : std::uint8_t { kRemove, kSet, kAdd };
  Kind kind = Kind::kSet;
  std::string name;   // lower case
  HeaderValue value;  // not for kRemove
};
/// In the order in which they are done.
using HeaderOperations = std::vector<HeaderOperation>;

struct Destination {
  UpstreamPtr upstream;
  std::uint16_t port = 0;  // 0: not said
  /// Of the rule and the destination, in Envoy's order.
  HeaderOperations request_headers, response_headers;
  std::string authority;              // empty: as it came
  std::uint64_t weights_to_here = 0;  // a draw below this, and not below that of the one before
};

struct Mirror {
  UpstreamPtr upstream;
  std::uint16_t port = 0;
  Share share = kAlways;
};

struct Rewrite {
  std::optional<std::string> uri;  // in place of what the match matched
  std::shared_ptr<const Regex> regex;
  std::string substitution;
};

struct Forward {
  std::vector<Destination> destinations;  // at least one; the total is the last weights_to_here
  std::optional<Rewrite> rewrite;
  std::chrono::milliseconds timeout{0};  // 0: none
  std::optional<RetryPolicy> retry;      // nullopt: none
  std::optional<DelayFault> delay;
  std::optional<AbortFault> abort;
  std::vector<Mirror> mirrors;
};

struct Redirect {
  enum class Port : std::uint8_t { kOfProtocol, kOfRequest, kNumber };
  std::uint16_t status = 301;
  std::string uri;                  // empty: the path as it came, or
  std::string prefix_rewrite;       // in place of the matched prefix
  std::string authority;            // empty: as it came
  std::string scheme;               // empty: as it came
  std::optional<Port> port_choice;  // nullopt: as it came
  std::uint16_t port = 0;
  HeaderOperations response_headers;
};

struct DirectResponse {
  std::uint16_t status = 0;
  std::string body;
  HeaderOperations response_headers;
};

struct CorsPolicy {
  std::vector<TextMatch> allow_origins;
  std::string allow_methods, allow_headers, expose_headers;  // joined by ","; empty: not sent
  std::string max_age;                                       // in seconds; empty: not sent
  bool allow_credentials = false;
  bool forward_unmatched_preflights = true;
};

struct Rule {
  std::string name;                      // as written; may be empty
  std::string virtual_service;           // "NAMESPACE/NAME"
  std::size_t index = 0;                 // in `http`
  std::vector<RequestMatch> matches;     // empty: every request
  std::vector<std::string> route_names;  // one a match (one when there is none): "NAME.MATCH"
  std::variant<Forward, Redirect, DirectResponse> action;
  std::optional<CorsPolicy> cors;
};

}  // namespace culvert::l7
