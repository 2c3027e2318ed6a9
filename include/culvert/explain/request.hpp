// What a waypoint would do with an HTTP request that need not exist: the rules that are asked, the
// one that matches, and where it leads with what weights. Decided by l7::choose_route. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "culvert/explain/words.hpp"
#include "culvert/l7/choose_route.hpp"

namespace culvert::explain {

/// Rules that are told of one by one; of more, the last ones, up to the match.
inline constexpr std::size_t kMaxRulesTold = 64;

struct RequestQuestion {
  const l7::RouteTable& routes;
  std::string host;        // of the service that is addressed, full
  std::uint16_t port = 0;  // of the service
  std::string method = "GET";
  std::string path = "/";                                    // with its query
  std::string authority;                                     // empty: the host
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  mesh::WorkloadPtr client;
  const std::map<std::string, std::string>* client_labels = nullptr;  // null: not known
};

struct RequestAnswer {
  l7::Decision::Kind kind = l7::Decision::Kind::kNoRoute;
  std::string route_name;
  std::string virtual_service;  // "NAMESPACE/NAME"; empty: no rule
  /// Where it leads, in per cent; "(nobody)" behind a name that nobody has.
  struct Share {
    std::string cluster;  // "reviews.shop.svc.cluster.local v2 port 9080"
    double percent = 0;
    bool operator==(const Share&) const = default;
  };
  std::vector<Share> shares;
  std::string text;         // what becomes of it, in words
  std::vector<Step> steps;  // "rule" for each that was asked, then "request"
};

RequestAnswer explain_request(const RequestQuestion& question);

}  // namespace culvert::explain
