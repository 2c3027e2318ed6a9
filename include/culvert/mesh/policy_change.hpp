// Which decisions may differ between two snapshots, so that live connections are decided about
// again where a change can concern them, and only there. Pure.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {

/// Never misses a difference of admit(); may name a workload whose decisions stay the same.
struct PolicyChange {
  using Names = std::set<std::string, std::less<>>;

  bool everywhere = false;  // a policy of the whole mesh
  Names namespaces;         // where a policy of a whole namespace changed
  Names policies;           // keys of all that changed: workloads that name one are concerned
  Names workloads;          // uids: their own policy list, namespace or identity, or the waypoint
                            // in front of one of their ports, or who that waypoint is

  bool empty() const;
  /// Whether decisions about connections to `destination` may differ. `destination` is as either
  /// snapshot has it.
  bool concerns(const Workload& destination) const;
  /// Both changes.
  void merge(PolicyChange other);
};

/// Policies that were only sent again, and those of dry runs, change nothing. Cost: a walk over the
/// policies, services or workloads of both snapshots if any of that family was touched.
PolicyChange policy_change(const Snapshot& before, const Snapshot& after);

}  // namespace culvert::mesh
