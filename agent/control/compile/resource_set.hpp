// Serialized resources by type and name, and what changed between two sets. Pure values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::control {

struct Resource {
  std::string version;  // of the bytes: equal versions mean equal content, also after a restart
  std::string bytes;    // the serialized message that belongs to the type
  bool operator==(const Resource&) const = default;
};

/// By name.
using Resources = std::map<std::string, Resource>;
/// By type URL, e.g. "type.googleapis.com/istio.workload.Address".
using ResourceSet = std::map<std::string, Resources, std::less<>>;

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
