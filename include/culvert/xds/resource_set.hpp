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
  std::string
      version;  // a hash of the bytes: equal versions are equal resources, also after a restart
  std::shared_ptr<const std::string> bytes;  // serialized message; never null
};
using ResourcesByName = std::map<std::string, StoredResource, std::less<>>;

struct ResourceSet {
  std::uint64_t generation = 0;                               // counts up; a larger number is newer
  std::map<std::string, ResourcesByName, std::less<>> types;  // by type url
};
using ResourceSetPtr = std::shared_ptr<const ResourceSet>;

}  // namespace culvert::xds
