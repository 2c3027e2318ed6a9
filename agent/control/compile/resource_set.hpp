// Serialized resources by type and name, and what changed between two sets. Pure values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/xds/resource_set.hpp"

namespace culvert::control {

using Resource = xds::StoredResource;
using Resources = xds::ResourcesByName;
using ResourceSet = xds::ResourcesByType;

/// Makes a Resource with the version of its bytes (FNV-1a, 128 bits, in hexadecimal digits).
Resource make_resource(std::string bytes);

struct TypeDelta {
  std::vector<std::string> updated;  // new or with another version; sorted
  std::vector<std::string> removed;  // sorted
  bool empty() const { return updated.empty() && removed.empty(); }
};
using ResourceDelta = std::map<std::string, TypeDelta, std::less<>>;

/// Only types with a difference appear.
ResourceDelta diff(const ResourceSet& before, const ResourceSet& after);

}  // namespace culvert::control
