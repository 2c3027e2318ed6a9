// Outlier detection: endpoints that fail in a row are left out for a while. A pure state machine:
// the clock and results are passed in. One a cluster; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/l7/traffic_policy.hpp"

namespace culvert::l7 {

/// Time since any fixed moment.
using Time = std::chrono::milliseconds;

/// How a request to an endpoint ended.
struct EndpointResult {
  /// No answer: connect failure, timeout, reset. Counted as local where the policy splits, else as
  /// a 503 (which it is told as).
  bool local_origin = false;
  std::uint16_t status = 0;  // where there was an answer
};

/// Whether it counts against the endpoint.
bool is_error(const OutlierPolicy& policy, const EndpointResult& result);

class OutlierDetector {
 public:
  explicit OutlierDetector(OutlierPolicy policy) : policy_(std::move(policy)) {}

  /// The endpoints that there are now. State of those that are gone is forgotten.
  void set_endpoints(const std::vector<std::string>& ids);
  /// A new policy keeps what is known: open ejections run on as they began.
  void set_policy(OutlierPolicy policy) { policy_ = std::move(policy); }
  /// True when this result ejected the endpoint. Results of unknown endpoints count for nothing.
  bool record(std::string_view id, const EndpointResult& result, Time now);
  /// Brings back those whose time is over, at most once an interval. True when one came back.
  bool sweep(Time now);

  /// Whether the endpoint may be used. When fewer than minHealthPercent of all are left, all may.
  bool usable(std::string_view id) const;
  std::size_t ejected() const { return ejected_; }
  /// Endpoints of which an error is counted. While there is none, what is no error changes nothing.
  std::size_t failing() const { return failing_; }
  /// When the ejection of `id` ends at the earliest; zero when it is not ejected.
  Time ejected_until(std::string_view id) const;

 private:
  struct Endpoint {
    std::uint32_t in_a_row_5xx = 0;
    std::uint32_t in_a_row_gateway = 0;
    std::uint32_t in_a_row_local = 0;
    std::uint32_t ejections = 0;  // ever: each next one is longer, without an end to it
    bool ejected = false;
    Time until{0};
    bool failing() const { return (in_a_row_5xx | in_a_row_gateway | in_a_row_local) != 0; }
    void start_over() { in_a_row_5xx = in_a_row_gateway = in_a_row_local = 0; }
  };
  bool count(Endpoint& endpoint, const EndpointResult& result) const;
  bool may_eject() const;

  OutlierPolicy policy_;
  std::map<std::string, Endpoint, std::less<>> endpoints_;
  std::size_t ejected_ = 0;
  std::size_t failing_ = 0;
  Time next_sweep_{0};
};

}  // namespace culvert::l7
