// What the tests of both halves of delta xDS share: resource sets in one line, and a sink that
// remembers.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "culvert/xds/messages.hpp"
#include "culvert/xds/resource_set.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert/xds/subscriber.hpp"

namespace culvert::xds::testing {

inline const std::string kAddress(kAddressType);
inline const std::string kPolicy(kAuthorizationType);

/// Name and content; the version is made of the content.
using Contents = std::map<std::string, std::string>;

inline ResourcesByName resources(const Contents& contents) {
  ResourcesByName out;
  for (const auto& [name, bytes] : contents) {
    out.emplace(name, StoredResource{"v-" + bytes, bytes});
  }
  return out;
}

inline ResourceSetPtr set_of(std::uint64_t generation, const Contents& addresses,
                             const Contents& policies = {}) {
  auto set = std::make_shared<ResourceSet>();
  set->generation = generation;
  set->types[kAddress] = resources(addresses);
  set->types[kPolicy] = resources(policies);
  return set;
}

/// Remembers what it was given; rejects what contains "bad".
struct MemorySink final : ResourceSink {
  std::map<std::string, Contents, std::less<>> types;
  std::size_t added = 0, removed = 0, calls = 0;

  std::vector<Rejected> apply(std::string_view type_url, std::vector<AddedResource> add,
                              std::vector<std::string> remove) override {
    ++calls;
    added += add.size();
    removed += remove.size();
    Contents& of_type = types[std::string(type_url)];
    std::vector<Rejected> rejected;
    for (const auto& name : remove) of_type.erase(name);
    for (auto& resource : add) {
      if (resource.bytes.find("bad") != std::string::npos) {
        rejected.push_back({resource.name, "it is bad"});
      } else {
        of_type[resource.name] = std::move(resource.bytes);
      }
    }
    return rejected;
  }
  Contents& operator[](const std::string& type) { return types[type]; }
};

inline DeltaRequest request(const std::string& type, std::vector<std::string> subscribe = {}) {
  DeltaRequest out;
  out.type_url = type;
  out.subscribe = std::move(subscribe);
  return out;
}

inline DeltaRequest ack(const DeltaResponse& response) {
  DeltaRequest out;
  out.type_url = response.type_url;
  out.nonce = response.nonce;
  return out;
}

inline DeltaRequest nack(const DeltaResponse& response, std::string why) {
  DeltaRequest out = ack(response);
  out.refusal = Refusal{3, std::move(why)};
  return out;
}

inline std::set<std::string> names(const DeltaResponse& response) {
  std::set<std::string> out;
  for (const auto& resource : response.resources) out.insert(resource.name);
  return out;
}

}  // namespace culvert::xds::testing
