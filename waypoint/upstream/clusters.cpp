#include "waypoint/upstream/clusters.hpp"

#include <fmt/format.h>

namespace culvert::waypoint {

void UpstreamClusters::take_view(ViewPtr view, l7::Time now, mesh::WorkloadPtr self) {
  if (view == newest_) return;
  newest_ = std::move(view);
  if (self != nullptr) self_ = std::move(self);
  known_.clear();
  if (now - swept_ < kClusterSweepInterval) return;
  swept_ = now;
  forget(now);
}

void UpstreamClusters::forget(l7::Time now) {
  std::erase_if(by_key_, [&](const auto& entry) {
    const auto& state = *entry.second;
    if (state.active_requests() > 0) return false;
    const bool gone = !newest_->mesh->service(state.service_key());
    return gone || (now - state.last_used() > kForgetClusterAfter && state.ejected() == 0);
  });
}

/// A client chooses the ports of workloads that it addresses, so that these are as many as it
/// likes.
void UpstreamClusters::make_room() {
  if (by_key_.size() < kMaxClusters) return;
  known_.clear();
  std::erase_if(by_key_, [](const auto& entry) {
    return entry.second->active_requests() == 0 && entry.second->ejected() == 0;
  });
}

ClusterStatePtr UpstreamClusters::find(const l7::Cluster& cluster, const View& view) {
  const bool newest = &view == newest_.get();
  if (newest) {
    const auto found = known_.find(&cluster);
    if (found != known_.end()) return found->second;
  }
  make_room();
  // Services of several namespaces may have one host, and with it one name.
  const auto key = fmt::format("{} {}", cluster.service_key, cluster.name());
  auto& state = by_key_[key];
  const bool made = !state;
  if (made) {
    auto shared = shared_ != nullptr ? shared_->of(key) : nullptr;
    state = std::make_shared<ClusterState>(cluster.name(), cluster, std::move(shared));
  }
  if (newest || made) {
    for (const auto& host : state->update(cluster, view, self_.get())) retire(*host);
  }
  if (newest) known_.emplace(&cluster, state);
  return state;
}

void UpstreamClusters::retire(const Host& host) {
  if (host.behind_waypoint == nullptr) {
    for (const auto& ip : host.workload->addresses) connections_.retire(endpoint_of(host, ip));
    return;
  }
  // A replica of a waypoint is dialed for the service's addresses, or for none.
  const auto& vips = host.behind_waypoint->vips;
  for (const auto& vip : vips) connections_.retire(endpoint_of(host, vip.ip));
  if (vips.empty()) connections_.retire(endpoint_of(host, {}));
}

ClusterStatePtr UpstreamClusters::of_workload(const mesh::Workload& workload, std::uint16_t port) {
  make_room();
  auto name = fmt::format("inbound|{}||{}", port, workload.uid);
  auto& state = by_key_[name];
  if (!state) state = std::make_shared<ClusterState>(std::move(name), l7::Cluster());
  return state;
}

}  // namespace culvert::waypoint
