#include "waypoint/upstream/ejections.hpp"

namespace culvert::waypoint {

// A change of who may be used is told at the end, when it can be seen.
void Ejections::note() {
  failing_.store(detector_ ? detector_->failing() : 0, std::memory_order_relaxed);
  ejected_.store(detector_ ? detector_->ejected() : 0, std::memory_order_relaxed);
  version_.fetch_add(1, std::memory_order_release);
}

bool Ejections::take(std::uint64_t view, const l7::OutlierPolicy* policy,
                     const std::vector<std::string>& ids) {
  const MutexLock hold(mutex_);
  if (view < view_) return false;
  view_ = view;
  if (policy == nullptr) {
    detector_.reset();
  } else if (detector_) {
    detector_->set_policy(*policy);
  } else {
    detector_.emplace(*policy);
  }
  if (detector_) detector_->set_endpoints(ids);
  note();
  return true;
}

bool Ejections::record(const l7::OutlierPolicy& policy, std::string_view id,
                       const l7::EndpointResult& result, l7::Time now) {
  const bool nothing_failed = failing_.load(std::memory_order_relaxed) == 0;
  if (nothing_failed && !l7::is_error(policy, result)) return false;
  const MutexLock hold(mutex_);
  if (!detector_) return false;
  const bool ejects = detector_->record(id, result, now);
  failing_.store(detector_->failing(), std::memory_order_relaxed);
  if (ejects) note();
  return ejects;
}

void Ejections::sweep(l7::Time now) {
  if (ejected() == 0) return;
  const MutexLock hold(mutex_);
  if (detector_ && detector_->sweep(now)) note();
}

std::vector<bool> Ejections::usable(const std::vector<std::string_view>& ids) const {
  const MutexLock hold(mutex_);
  std::vector<bool> out;
  out.reserve(ids.size());
  for (const auto id : ids) out.push_back(!detector_ || detector_->usable(id));
  return out;
}

}  // namespace culvert::waypoint
