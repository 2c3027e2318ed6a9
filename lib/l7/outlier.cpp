#include "culvert/l7/outlier.hpp"

#include <algorithm>
#include <set>

namespace culvert::l7 {
namespace {

/// Counts up on an error, starts over on none; true when `limit` is reached. Zero never is.
bool step(std::uint32_t& in_a_row, bool error, std::uint32_t limit) {
  in_a_row = error ? in_a_row + 1 : 0;
  return limit > 0 && in_a_row >= limit;
}

bool lists(const OutlierPolicy& policy, std::uint16_t status) {
  return std::ranges::find(policy.error_codes, status) != policy.error_codes.end();
}

}  // namespace

bool is_error(const OutlierPolicy& policy, const EndpointResult& result) {
  if (result.local_origin) return true;
  return policy.error_codes.empty() ? result.status >= 500 : lists(policy, result.status);
}

void OutlierDetector::set_endpoints(const std::vector<std::string>& ids) {
  const std::set<std::string_view> now(ids.begin(), ids.end());
  std::erase_if(endpoints_, [&](const auto& entry) {
    if (now.contains(entry.first)) return false;
    ejected_ -= entry.second.ejected;
    failing_ -= entry.second.failing();
    return true;
  });
  for (const auto& id : ids) endpoints_.try_emplace(id);
}

/// True when one of the limits is reached.
bool OutlierDetector::count(Endpoint& endpoint, const EndpointResult& result) const {
  if (policy_.split_local_origin && result.local_origin) {
    return step(endpoint.in_a_row_local, true, policy_.consecutive_local_origin);
  }
  endpoint.in_a_row_local = 0;
  const std::uint16_t status = result.local_origin ? 503 : result.status;
  const bool error = is_error(policy_, result);
  const bool gateway = error && status >= 502 && status <= 504;
  const bool over_5xx = step(endpoint.in_a_row_5xx, error, policy_.consecutive_5xx);
  return step(endpoint.in_a_row_gateway, gateway, policy_.consecutive_gateway_errors) || over_5xx;
}

/// One more must not be over the share.
bool OutlierDetector::may_eject() const {
  return (ejected_ + 1) * 100 <= std::size_t{policy_.max_ejection_percent} * endpoints_.size();
}

bool OutlierDetector::record(std::string_view id, const EndpointResult& result, Time now) {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return false;
  auto& endpoint = found->second;
  failing_ -= endpoint.failing();
  const bool over = count(endpoint, result);
  failing_ += endpoint.failing();
  if (!over || endpoint.ejected || !may_eject()) return false;
  endpoint.ejected = true;
  ++endpoint.ejections;
  ++ejected_;
  endpoint.until = now + policy_.base_ejection_time * endpoint.ejections;
  return true;
}

bool OutlierDetector::sweep(Time now) {
  if (now < next_sweep_) return false;
  next_sweep_ = now + policy_.interval;
  bool changed = false;
  for (auto& [id, endpoint] : endpoints_) {
    if (!endpoint.ejected || now < endpoint.until) continue;
    endpoint.ejected = false;
    failing_ -= endpoint.failing();
    endpoint.start_over();
    --ejected_;
    changed = true;
  }
  return changed;
}

bool OutlierDetector::usable(std::string_view id) const {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end() || !found->second.ejected) return true;
  const auto healthy = endpoints_.size() - ejected_;
  return healthy * 100 < std::size_t{policy_.min_health_percent} * endpoints_.size();
}

Time OutlierDetector::ejected_until(std::string_view id) const {
  const auto found = endpoints_.find(id);
  return found != endpoints_.end() && found->second.ejected ? found->second.until : Time{0};
}

}  // namespace culvert::l7
