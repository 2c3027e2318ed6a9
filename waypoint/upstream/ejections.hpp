// Ejections: the outlier detection of one cluster, of one worker or of all of them (0126), so that
// errors count wherever they are met, and who is ejected is so for all. Any thread; one short lock,
// which results take while something has failed, and nobody does while all is well.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/mutex.hpp"
#include "culvert/l7/outlier.hpp"

namespace culvert::waypoint {

class Ejections {
 public:
  /// What is known goes on under `policy` for the endpoints `ids`; null: outliers are not looked
  /// for, and nothing is known. False, and nothing has changed: `view` (View::number) is older than
  /// one that was said before, as a worker may be behind the others.
  bool take(std::uint64_t view, const l7::OutlierPolicy* policy,
            const std::vector<std::string>& ids);
  /// As OutlierDetector::record(); `policy`: the one in force.
  bool record(const l7::OutlierPolicy& policy, std::string_view id,
              const l7::EndpointResult& result, l7::Time now);
  /// As OutlierDetector::sweep().
  void sweep(l7::Time now);

  std::size_t ejected() const { return ejected_.load(std::memory_order_relaxed); }
  /// Another number whenever usable() may answer otherwise.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  /// As OutlierDetector::usable(), of each.
  std::vector<bool> usable(const std::vector<std::string_view>& ids) const;

 private:
  void note() __attribute__((requires_capability(mutex_)));

  mutable Mutex mutex_;
  std::optional<l7::OutlierDetector> detector_ CULVERT_GUARDED_BY(mutex_);
  std::uint64_t view_ CULVERT_GUARDED_BY(mutex_) = 0;
  // What is looked at without the lock; changed with it.
  std::atomic<std::size_t> failing_{0};
  std::atomic<std::size_t> ejected_{0};
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace culvert::waypoint
