// UpstreamClusters: the clusters that a worker has sent requests to, by service and name, across
// views. Owned by the worker; lives on its loop.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>

#include "waypoint/upstream/cluster_state.hpp"
#include "waypoint/upstream/connections.hpp"

namespace culvert::waypoint {

/// A cluster to which nothing was sent for so long, and of which nobody is ejected, is forgotten;
/// so is at once what is no more in the mesh.
inline constexpr std::chrono::minutes kForgetClusterAfter{60};
/// Beyond this many those that nobody uses at the moment are forgotten first.
inline constexpr std::size_t kMaxClusters = 16'384;
/// How often views are looked through for what is gone.
inline constexpr std::chrono::seconds kClusterSweepInterval{10};

class UpstreamClusters {
 public:
  /// `connections` are told of endpoints that have left. `shared`: of all workers; null: there is
  /// one. Both outlive this.
  explicit UpstreamClusters(UpstreamConnections& connections, SharedCounts* shared = nullptr)
      : connections_(connections), shared_(shared) {}

  /// From now on endpoints and policies are those of `view`. `self`: the workload that we are, by
  /// which a waypoint tells its own services from those of others; null: as before, and at first
  /// all are its own.
  void take_view(ViewPtr view, l7::Time now, mesh::WorkloadPtr self = nullptr);
  /// The state of a cluster of `view`'s table, made where there is none. A request of an older view
  /// gets it as the newest view has it.
  ClusterStatePtr find(const l7::Cluster& cluster, const View& view);
  /// A workload that belongs to no service at the port where it was addressed.
  ClusterStatePtr of_workload(const mesh::Workload& workload, std::uint16_t port);
  std::size_t size() const { return by_key_.size(); }

 private:
  void forget(l7::Time now);
  void make_room();
  void retire(const Host& host);

  UpstreamConnections& connections_;
  SharedCounts* const shared_;
  ViewPtr newest_;
  mesh::WorkloadPtr self_;
  l7::Time swept_{0};
  /// By who has the service, and the cluster's name; of workloads by the name alone.
  std::unordered_map<std::string, ClusterStatePtr> by_key_;
  std::unordered_map<const l7::Cluster*, ClusterStatePtr> known_;  // of newest_'s table
};

}  // namespace culvert::waypoint
