// What the compiler keeps of a VirtualService. Private to lib/l7.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "culvert/l7/compiler.hpp"

namespace culvert::l7 {

struct Compiler::State {
  VirtualServiceObject object;
  bool valid = false;
  std::vector<std::shared_ptr<const Rule>> rules;
  Visibility visibility;
  std::set<HostAt> hosts;          // that it speaks of
  std::set<std::string> leads_to;  // hosts of its destinations and mirrors
  std::set<std::string> unknown;   // of them, what nobody has

  /// Fills `hosts` and `visibility` from the object.
  void read_places(const std::string& domain);
};

}  // namespace culvert::l7
