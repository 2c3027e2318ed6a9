// View: everything that a waypoint knows at one moment. Immutable: a request keeps the view that it
// was routed by until it ends; the control loop makes the next one (ARCHITECTURE.md, "Threads").
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/l7/edge.hpp"
#include "culvert/l7/route_table.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::waypoint {

using LabelMap = std::map<std::string, std::string>;

/// The labels of pods, which subsets and sourceLabels look at, by workload uid.
class Labels {
 public:
  using ByUid = l7::ByText<std::shared_ptr<const LabelMap>>;
  Labels() = default;
  explicit Labels(ByUid by_uid) : by_uid_(std::move(by_uid)) {}
  /// Null when none have come.
  const LabelMap* of(std::string_view uid) const {
    const auto found = by_uid_.find(uid);
    return found == by_uid_.end() ? nullptr : found->second.get();
  }

 private:
  ByUid by_uid_;
};

/// What this process serves as an edge; nothing at a waypoint.
struct Edges {
  std::string ns;                        // its own
  std::vector<l7::EdgeObject> gateways;  // that select it, in the order of their keys

  bool serves_port(std::uint16_t port) const { return ports().contains(port); }
  std::set<std::uint16_t> ports() const {
    std::set<std::uint16_t> out;
    for (const auto& gateway : gateways) {
      for (const auto& server : gateway.servers) out.insert(server.port);
    }
    return out;
  }
  bool operator==(const Edges&) const = default;
};

struct View {
  std::uint64_t number = 0;  // later ones of a process have higher ones
  mesh::SnapshotPtr mesh = std::make_shared<const mesh::Snapshot>();
  l7::RouteTablePtr routes = std::make_shared<const l7::RouteTable>();
  std::shared_ptr<const Labels> labels = std::make_shared<const Labels>();
  std::shared_ptr<const Edges> edges = std::make_shared<const Edges>();

  bool is_edge() const { return !edges->ns.empty(); }
};
using ViewPtr = std::shared_ptr<const View>;

}  // namespace culvert::waypoint
