// Istio's HTTP and gRPC metrics of a waypoint: a client's request counts once, however often it was
// tried. As traffic_metrics.hpp: each worker counts in series of its own, without locks or atomics,
// and hands over what it counted when somebody collects.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "culvert/telemetry/exchange_record.hpp"
#include "culvert/telemetry/prometheus_text.hpp"
#include "culvert/telemetry/request_routes.hpp"
#include "culvert/telemetry/series_sums.hpp"

namespace culvert::telemetry {

/// The label text of a request; unknown values are "unknown".
std::string request_labels(const ExchangeRecord& record);
/// Of the series that stands for all label sets beyond the bound.
std::string request_overflow_labels();
/// In the order in which they are written.
const std::vector<std::string_view>& request_label_names();

/// Upper bounds of the histograms, milliseconds and bytes alike: Envoy's, which Istio's dashboards
/// expect.
inline constexpr std::array<double, 19> kRequestBuckets{
    0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

struct RequestHistogram {
  std::array<std::uint64_t, kRequestBuckets.size() + 1> counts{};  // the last: beyond all bounds
  double sum = 0;

  void add(double value);
  RequestHistogram& operator+=(const RequestHistogram& other);
};

struct RequestCounts {
  std::uint64_t requests = 0;
  std::uint64_t request_messages = 0;   // gRPC
  std::uint64_t response_messages = 0;  // gRPC
  bool grpc = false;
  RequestHistogram duration_ms, request_bytes, response_bytes;

  void add(const ExchangeRecord& record);
  RequestCounts& operator+=(const RequestCounts& other);
};

/// Label sets that a worker holds; what comes beyond is counted in one series whose labels say
/// "overflow". A set costs about 2 KiB. The table of sums holds as many for each worker.
inline constexpr std::size_t kMaxRequestSeriesPerWorker = 2048;

struct RequestOptions {
  /// A label set that counted nothing for so long is forgotten; 0: never.
  std::chrono::seconds idle_expiry{3600};
  std::size_t max_series = kMaxRequestSeriesPerWorker;
  std::size_t max_routes = kMaxRouteSeriesPerWorker;
};

using CountedRequests = Counted<RequestCounts>;

/// One worker's part, on its thread.
class WorkerRequests {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit WorkerRequests(const RequestOptions& options)
      : options_(options), routes_(options.max_routes, options.idle_expiry) {}
  WorkerRequests(const WorkerRequests&) = delete;
  WorkerRequests& operator=(const WorkerRequests&) = delete;

  /// Once for each request that has ended.
  void count(const ExchangeRecord& record);
  /// Takes what was counted since the last time, and forgets label sets that have been idle.
  std::vector<CountedRequests> collect(TimePoint now);
  /// The same of what is counted by statPrefix.
  std::vector<CountedRoutes> collect_routes(TimePoint now) { return routes_.collect(now); }
  std::size_t size() const { return by_labels_.size(); }

 private:
  struct Series {
    std::shared_ptr<const std::string> labels;
    RequestCounts counts;
    TimePoint last_used{};
  };
  /// What labels are made of, of a request like one lately seen: its series is found without making
  /// the text. Holds the parties, so that their addresses are not another's.
  struct Recent {
    Shared<Party> source, destination;
    Shared<ServiceName> service;
    std::uint16_t status = 0;
    std::optional<std::uint16_t> grpc_status;
    ExchangeFlags flags;
    bool grpc = false, mutual_tls = false;
    Series* series = nullptr;  // null: nobody
    bool is_like(const ExchangeRecord& record, const ExchangeFlags& all_flags) const;
  };
  Series& series_of(const ExchangeRecord& record);

  const RequestOptions options_;
  // Keys live in the series.
  std::unordered_map<std::string_view, std::unique_ptr<Series>> by_labels_;
  Series overflow_;
  std::array<Recent, 64> recent_;
  WorkerRoutes routes_;
};

/// The sums of all workers. Made at startup, outlives the workers; any thread but where it says
/// otherwise.
class RequestMetrics {
 public:
  using TimePoint = WorkerRequests::TimePoint;

  explicit RequestMetrics(std::size_t workers, RequestOptions options = {});
  RequestMetrics(const RequestMetrics&) = delete;
  RequestMetrics& operator=(const RequestMetrics&) = delete;

  /// For the worker's own thread.
  WorkerRequests& worker(std::size_t index) { return *workers_[index]; }
  /// Takes what a worker collected, without a lock: data threads call it.
  void deposit(std::vector<CountedRequests> counted) { sums_.deposit(std::move(counted)); }
  void deposit(std::vector<CountedRoutes> counted) { routes_.deposit(std::move(counted)); }
  /// Adds up what was deposited and forgets idle label sets.
  void settle(TimePoint now) {
    sums_.settle(now);
    routes_.settle(now);
  }
  /// istio_requests_total, istio_request_duration_milliseconds, istio_request_bytes,
  /// istio_response_bytes, and of gRPC istio_request_messages_total and
  /// istio_response_messages_total, of what was settled; and culvert_route_requests_total.
  void render(PrometheusText& out) const;
  /// Label sets in the table of sums.
  std::size_t size() const { return sums_.size(); }

 private:
  struct Sum {
    RequestCounts counts;
  };

  const RequestOptions options_;
  std::vector<std::unique_ptr<WorkerRequests>> workers_;
  SeriesSums<RequestCounts, Sum> sums_;
  RouteSums routes_;
};

}  // namespace culvert::telemetry
