// What control knows and serves at one moment: the objects in force, what was compiled from them,
// and what is wrong with the rest. Immutable; the loop makes it, any thread reads it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "culvert/base/diagnostic.hpp"
#include "culvert/config/object.hpp"
#include "culvert/xds/resource_set.hpp"

namespace culvert::control {

struct View {
  std::uint64_t generation = 0;
  std::shared_ptr<const config::ObjectMap> objects = std::make_shared<config::ObjectMap>();
  xds::ResourceSetPtr resources = std::make_shared<xds::ResourceSet>();
  Diagnostics diagnostics;
  config::Conditions conditions;
  /// SPIFFE identities that each peer (peers.hpp) may have certificates for. Every Node object is a
  /// key, and every pod of a waypoint or edge.
  std::map<std::string, std::set<std::string>, std::less<>> identities;
};
using ViewPtr = std::shared_ptr<const View>;

}  // namespace culvert::control
