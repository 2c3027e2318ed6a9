// A request at a proxy, and what is decided about it. Pure. Private to lib/explain.
#pragma once

#include <string>
#include <vector>

#include "culvert/explain/request.hpp"

namespace culvert::explain {

/// Its views are of itself and of `question`, which outlives it.
struct Decided {
  explicit Decided(const RequestQuestion& asked);
  Decided(const Decided&) = delete;
  Decided& operator=(const Decided&) = delete;

  const RequestQuestion& question;
  const std::string identity;
  std::vector<l7::HeaderView> headers;
  l7::RequestView request;
  l7::ClientView client;
  l7::TargetView target;
  // To be filled in by who decides:
  l7::Decision decision;
  l7::Explanation explanation;
};

/// By the rules of mesh.
void decide_at_waypoint(Decided& decided);

/// Where it leads, each destination of the rule.
std::vector<RequestAnswer::Share> shares_of(const Decided& decided);

/// The answer for people.
RequestAnswer answer_of(const Decided& decided);

}  // namespace culvert::explain
