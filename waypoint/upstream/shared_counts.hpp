// SharedCounts: what all workers of a process know of each cluster together, by which the limits
// and the outlier detection of its DestinationRule are judged (0126). Any thread; looked up when a
// worker makes a cluster's state.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "culvert/base/mutex.hpp"
#include "culvert/l7/outlier.hpp"
#include "waypoint/http/shared_places.hpp"
#include "waypoint/upstream/ejections.hpp"
#include "waypoint/upstream/request_window.hpp"

namespace culvert::waypoint {

/// One cluster's.
struct SharedCluster {
  SharedPlaces places;
  /// Under way. Workers look and then count: each may go over a limit by one at the same moment, as
  /// Envoy's may.
  std::atomic<std::uint32_t> requests{0};
  std::atomic<std::uint32_t> retries{0};  // under way
  Ejections ejections;

  Mutex window_mutex;
  RequestWindow window CULVERT_GUARDED_BY(window_mutex);
};
using SharedClusterPtr = std::shared_ptr<SharedCluster>;

class SharedCounts {
 public:
  /// The same for every worker that has the cluster; forgotten with the last of them.
  SharedClusterPtr of(const std::string& cluster) {
    const MutexLock hold(mutex_);
    if (by_name_.size() >= sweeps_at_) {
      std::erase_if(by_name_, [](const auto& entry) { return entry.second.expired(); });
      sweeps_at_ = 2 * by_name_.size() + kSweepFrom;
    }
    auto& known = by_name_[cluster];
    auto out = known.lock();
    if (!out) known = out = std::make_shared<SharedCluster>();
    return out;
  }

 private:
  static constexpr std::size_t kSweepFrom = 64;
  Mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<SharedCluster>> by_name_ CULVERT_GUARDED_BY(mutex_);
  std::size_t sweeps_at_ CULVERT_GUARDED_BY(mutex_) = kSweepFrom;
};

}  // namespace culvert::waypoint
