// What control serves at one moment: every resource of every type. Immutable; sessions on any
// thread hold a shared_ptr and compare it with what their client has.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace culvert::xds {

struct StoredResource {
  std::string version;  // of the bytes: equal versions mean equal content, also after a restart
  std::string bytes;    // the serialized message that belongs to the type
  bool operator==(const StoredResource&) const = default;
};
using ResourcesByName = std::map<std::string, StoredResource, std::less<>>;
/// By type url, e.g. "type.googleapis.com/istio.workload.Address".
using ResourcesByType = std::map<std::string, ResourcesByName, std::less<>>;

struct ResourceSet {
  std::uint64_t generation = 0;  // counts up; a larger number is newer
  ResourcesByType types;
};
using ResourceSetPtr = std::shared_ptr<const ResourceSet>;

}  // namespace culvert::xds
