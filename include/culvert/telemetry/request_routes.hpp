// Requests by the `statPrefix` of the match that took them, as Envoy counts by a route's
// stat_prefix. Requests without one cost nothing here. As request_metrics.hpp, which owns both
// halves: each worker counts in series of its own.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/telemetry/exchange_record.hpp"
#include "culvert/telemetry/prometheus_text.hpp"
#include "culvert/telemetry/series_sums.hpp"

namespace culvert::telemetry {

/// Pairs of VirtualService and prefix that a worker holds; what comes beyond is counted in one
/// series whose labels say "overflow". The table of sums holds as many for each worker.
inline constexpr std::size_t kMaxRouteSeriesPerWorker = 1024;

/// "none" (the client was sent no status), "1xx" to "5xx".
inline constexpr std::array<std::string_view, 6> kResponseCodeClasses{"none", "1xx", "2xx",
                                                                      "3xx",  "4xx", "5xx"};

struct RouteCounts {
  std::array<std::uint64_t, kResponseCodeClasses.size()> by_class{};
  RouteCounts& operator+=(const RouteCounts& other);
};
using CountedRoutes = Counted<RouteCounts>;
struct RouteSum {
  RouteCounts counts;
};
using RouteSums = SeriesSums<RouteCounts, RouteSum>;

/// Of the series that stands for all pairs beyond the bound.
std::string route_overflow_labels();
/// culvert_route_requests_total; nothing where nobody has a prefix.
void render_routes(PrometheusText& out, const RouteSums& sums);

/// One worker's part, on its thread.
class WorkerRoutes {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// A pair that counted nothing for `idle_expiry` is forgotten; 0: never.
  WorkerRoutes(std::size_t max_series, std::chrono::seconds idle_expiry)
      : max_series_(max_series), idle_expiry_(idle_expiry) {}
  WorkerRoutes(const WorkerRoutes&) = delete;
  WorkerRoutes& operator=(const WorkerRoutes&) = delete;

  /// Once for each request that has ended and has a stat_prefix.
  void count(const ExchangeRecord& record);
  /// Takes what was counted since the last time, and forgets pairs that have been idle.
  std::vector<CountedRoutes> collect(TimePoint now);
  std::size_t size() const { return by_labels_.size(); }

 private:
  struct Series {
    std::shared_ptr<const std::string> labels;
    RouteCounts counts;
    bool counted = false;  // since it was collected
    TimePoint last_used{};
  };
  Series& series_of(const ExchangeRecord& record);

  const std::size_t max_series_;
  const std::chrono::seconds idle_expiry_;
  // Keys live in the series.
  std::unordered_map<std::string_view, std::unique_ptr<Series>> by_labels_;
  Series overflow_;
  std::string labels_;  // of the request at hand: its memory is used again
};

}  // namespace culvert::telemetry
