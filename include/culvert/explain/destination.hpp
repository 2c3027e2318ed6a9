// What a person calls a destination, and the address that an application would connect to. Pure.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/mesh/snapshot.hpp"

namespace culvert::explain {

struct Target {
  std::string host;  // "NAMESPACE/NAME", a service's name in any form, or an address
  std::optional<std::uint16_t> port;
};
/// "shop/web", "web.shop:80", "10.0.0.5:80", "fd00::5", "[fd00::5]:80". nullopt when malformed.
std::optional<Target> parse_target(std::string_view text);

struct Destination {
  SocketAddress address;
  mesh::WorkloadPtr pod;     // named as a pod
  mesh::ServicePtr service;  // named as a service
  std::string note;          // what was assumed, in words; empty when all was said
};

struct Unresolved {
  std::string text;                     // "nothing in the mesh is called web"
  std::vector<std::string> candidates;  // names that exist; or the ports, when the port is missing
  bool port_missing = false;
};

/// What `source` would connect to. A name without a dot is a service of its own namespace;
/// "NAMESPACE/NAME" is a pod, else a service. A service without an address of its own (headless) is
/// its first ready endpoint, as DNS would answer. IPv4 unless `prefer_v6`, the other family when
/// there is nothing else.
std::expected<Destination, Unresolved> find_destination(const mesh::Snapshot& snapshot,
                                                        const mesh::Workload& source,
                                                        const Target& target, bool prefer_v6);

}  // namespace culvert::explain
