// RetryPlan: whether and when an exchange is tried again: the route's retries, or what a trusted
// caller wishes, within the cluster's limits. One an exchange.
#pragma once

#include <chrono>
#include <cstdint>

#include "waypoint/exchange/exchange.hpp"
#include "waypoint/upstream/cluster_state.hpp"

namespace culvert::waypoint {

class RetryPlan {
 public:
  RetryPlan(Exchange& exchange, ClusterState& cluster);
  ~RetryPlan() { end_retry(); }
  RetryPlan(const RetryPlan&) = delete;
  RetryPlan& operator=(const RetryPlan&) = delete;

  bool possible() const { return left_ > 0; }
  /// Whether an answer's head has a header that the caller named for retriable-headers.
  bool names_one_of(const http::Fields& fields) const;
  /// Takes a retry for what came out of an attempt. False: it is not asked for, or none is left
  /// (URX), or as many run as may (UO).
  bool take(const l7::AttemptResult& result, bool can_replay);
  /// The wait before the retry that was taken.
  std::chrono::milliseconds backoff();
  void end_retry();
  bool avoids_previous_hosts() const { return policy_.avoid_previous_hosts; }

 private:
  Exchange& exchange_;
  ClusterState& cluster_;
  const l7::RetryPolicy policy_;
  std::uint32_t left_;
  std::uint32_t taken_ = 0;
  bool retrying_ = false;
};

/// The route's timeouts, and the caller's where it may say.
void set_times(Exchange& x);

}  // namespace culvert::waypoint
