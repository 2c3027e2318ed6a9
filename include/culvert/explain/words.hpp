// An explanation as steps in words, each with the objects that it speaks of. Pure.
#pragma once

#include <string>
#include <vector>

#include "culvert/explain/explain.hpp"

namespace culvert::explain {

struct ObjectRef {
  std::string kind;  // "Pod", "Service", "Policy"
  std::string ns, name;
  bool operator==(const ObjectRef&) const = default;
};

struct Step {
  std::string endpoint;  // "shop/web-1" for a step of one branch among several; else empty
  std::string name;      // "capture", "destination", "endpoints", "waypoint", "path", "identity",
                         // "arrival", "policy", "decision"
  std::string text;
  std::vector<ObjectRef> objects;
};

/// From the hook to the policy that decides, in order.
std::vector<Step> in_words(const Question& question, const Explanation& explanation);

/// "shop/web-1", or the address where nobody is known.
std::string endpoint_name(const Branch& branch);

}  // namespace culvert::explain
