// All routes at one moment, compiled. Immutable: a request keeps the table that it was routed by
// until it ends; the compiler (compiler.hpp) makes the next one and shares with it what did not
// change.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/l7/request.hpp"
#include "culvert/l7/rule.hpp"

namespace culvert::l7 {

class MatchIndex;

/// Namespaces that may see an object.
struct Visibility {
  bool all = true;
  std::vector<std::string> namespaces;  // where not all
  bool includes(std::string_view ns) const;
  bool operator==(const Visibility&) const = default;
};

/// What one VirtualService gives to a host.
struct Contribution {
  std::string virtual_service;  // "NAMESPACE/NAME"
  Visibility visibility;
  bool refused = false;         // its last state is not valid, and it never had a good one
  std::size_t matches = 0;      // that it has for this host and gateway
  std::size_t unreachable = 0;  // of them, behind one that takes every request
  std::string hidden_behind;    // "NAMESPACE/NAME" of that one
};

/// The rules of one host at one gateway, in the order in which they are asked.
struct HostRoutes {
  struct Entry {
    const RequestMatch* match = nullptr;  // null: every request
    const Rule* rule = nullptr;
    std::size_t match_index = 0;  // in rule->route_names
    std::uint32_t contribution = 0;

    const std::string& route_name() const { return rule->route_names[match_index]; }
  };
  HostRoutes();
  ~HostRoutes();

  std::string host;  // as the rules name it, full: may be "*.shop.example" or "*"
  std::vector<Contribution> contributions;
  std::vector<std::shared_ptr<const Rule>> rules;  // keeps what the entries point to
  std::vector<Entry> entries;
  bool seen_by_all = true;  // every contribution is
  std::unique_ptr<MatchIndex> index;
};
using HostRoutesPtr = std::shared_ptr<const HostRoutes>;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};
template <class V>
using ByText = std::unordered_map<std::string, V, TextHash, std::equal_to<>>;

/// The hosts of one gateway, or of the mesh.
struct GatewayRoutes {
  ByText<HostRoutesPtr> exact;
  std::vector<std::pair<std::string, HostRoutesPtr>> suffixes;  // ".shop.example", longest first
  HostRoutesPtr any;                                            // "*"
};
using GatewayRoutesPtr = std::shared_ptr<const GatewayRoutes>;

struct RouteTable {
  ByText<GatewayRoutesPtr> gateways;  // by "mesh" or "NAMESPACE/NAME"
  /// What a service gets where no VirtualService says anything, by host; where several namespaces
  /// have the host, by "NAMESPACE/HOST" too.
  std::shared_ptr<const ByText<UpstreamPtr>> services;
  std::uint64_t generation = 0;

  RouteTable() : services(std::make_shared<const ByText<UpstreamPtr>>()) {}
};
using RouteTablePtr = std::shared_ptr<const RouteTable>;

/// A host without port and last dot, in lower case; a view of `host` or of `storage`.
std::string_view plain_host(std::string_view host, std::string& storage);

/// The most specific host with rules that count for `target` (of these namespaces, and seen by its
/// viewer or else by `client_ns`): the name itself, then the longest wildcard. The host may be in
/// any case and have a port. Null when there is none.
const HostRoutes* find_host(const RouteTable& table, const TargetView& target,
                            std::string_view client_ns);
/// Whether what `one` gives counts for it.
bool counts_for(const Contribution& one, const TargetView& target, std::string_view client_ns);

}  // namespace culvert::l7
