// Istio's TCP metrics, and TCP health by edge. Each worker counts in series of its own, without
// locks or atomics; when somebody collects, it hands over what it counted since, and one table
// holds the sums.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/prometheus_text.hpp"
#include "culvert/telemetry/series_sums.hpp"
#include "culvert/telemetry/traffic_labels.hpp"

namespace culvert::telemetry {

/// Label sets that a worker holds; what comes beyond is counted in one series whose labels all say
/// "overflow". A set costs about 1 KiB. The table of sums holds as many for each worker.
inline constexpr std::size_t kMaxSeriesPerWorker = 4096;
inline constexpr std::chrono::seconds kDefaultIdleExpiry{3600};

struct TrafficOptions {
  LabelSwitches labels;
  /// A label set that counted nothing and has no open connection for so long is forgotten; when it
  /// comes back it starts from 0, which Prometheus takes for a restart. 0: never.
  std::chrono::seconds idle_expiry = kDefaultIdleExpiry;
  std::size_t max_series = kMaxSeriesPerWorker;
};

struct TrafficCounts {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t received_bytes = 0;  // from the source
  std::uint64_t sent_bytes = 0;      // to the source
  std::uint64_t failed = 0;          // before they were opened
  // TCP health of an edge's connections on the network, as the kernel measured it.
  std::uint64_t segments = 0;
  std::uint64_t retransmits = 0;
  std::uint64_t rtt_samples = 0;
  std::uint64_t rtt_sum_us = 0;
  std::uint64_t rate_samples = 0;
  std::uint64_t rate_sum = 0;  // bytes a second

  TrafficCounts& operator+=(const TrafficCounts& other);
  /// No count goes below 0.
  TrafficCounts& operator-=(const TrafficCounts& other);
  bool operator==(const TrafficCounts&) const = default;
};

/// One label set on one worker, on that worker's thread.
class TrafficSeries {
 public:
  explicit TrafficSeries(std::string labels)
      : labels_(std::make_shared<const std::string>(std::move(labels))) {}

  void opened() {
    ++counts_.opened;
    ++open_;
  }
  /// Once for each opened().
  void closed() {
    ++counts_.closed;
    --open_;
  }
  void received(std::uint64_t bytes) { counts_.received_bytes += bytes; }
  void sent(std::uint64_t bytes) { counts_.sent_bytes += bytes; }
  void failed() { ++counts_.failed; }
  /// Of an edge: keeps the series while a connection is measured into it; once each.
  void hold() { ++open_; }
  void release() { --open_; }
  void add(const TrafficCounts& counts) { counts_ += counts; }
  const std::string& labels() const { return *labels_; }

 private:
  friend class WorkerTraffic;
  std::shared_ptr<const std::string> labels_;
  TrafficCounts counts_;  // since the last collection
  std::size_t open_ = 0;  // connections that hold a reference
  std::chrono::steady_clock::time_point last_used_{};
};

using CountedSeries = Counted<TrafficCounts>;

/// One worker's part, on its thread.
class WorkerTraffic {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit WorkerTraffic(const TrafficOptions& options) : options_(options) {}
  WorkerTraffic(const WorkerTraffic&) = delete;
  WorkerTraffic& operator=(const WorkerTraffic&) = delete;

  /// The series of this record's labels (with its flag), made when new. Valid until closed() has
  /// followed each opened(), or, with none open, until the next collect(). Finding it costs a
  /// microsecond or two.
  TrafficSeries& series(const ConnectionRecord& record) {
    return series_of(traffic_labels(record, options_.labels));
  }
  /// The series of the record's edge (edge_labels), for TCP health; alike.
  TrafficSeries& edge(const ConnectionRecord& record) {
    return series_of(edge_labels(record, options_.labels));
  }
  /// Takes what was counted since the last time out of every series that counted or has open
  /// connections, and forgets those that have been idle for the options' time.
  std::vector<CountedSeries> collect(TimePoint now);
  std::size_t size() const { return by_labels_.size(); }
  const TrafficOptions& options() const { return options_; }

 private:
  TrafficSeries& series_of(std::string labels);
  const TrafficOptions options_;
  // Keys live in the series.
  std::unordered_map<std::string_view, std::unique_ptr<TrafficSeries>> by_labels_;
  TrafficSeries overflow_{""};
};

/// The sums of all workers. Made at startup, outlives the workers; any thread but where it says
/// otherwise.
class TrafficMetrics {
 public:
  using TimePoint = WorkerTraffic::TimePoint;

  explicit TrafficMetrics(std::size_t workers, TrafficOptions options = {});
  TrafficMetrics(const TrafficMetrics&) = delete;
  TrafficMetrics& operator=(const TrafficMetrics&) = delete;

  /// For the worker's own thread.
  WorkerTraffic& worker(std::size_t index) { return *workers_[index]; }
  /// Takes what a worker collected, without a lock: data threads call it.
  void deposit(std::vector<CountedSeries> counted) { sums_.deposit(std::move(counted)); }
  /// Adds up what was deposited and forgets idle label sets.
  void settle(TimePoint now) { sums_.settle(now); }
  /// istio_tcp_connections_opened_total, _closed_total, istio_tcp_received_bytes_total,
  /// istio_tcp_sent_bytes_total and istio_tcp_connections_failed_total, of what was settled; a
  /// label set is in the first four once a connection was opened, in the last once one failed. Then
  /// culvert_tcp_rtt_seconds, _delivery_rate_bytes, _segments_sent_total and _retransmits_total of
  /// edges that were measured.
  void render(PrometheusText& out) const;
  /// What was settled and not told() yet, for another process that goes on counting where this one
  /// ends. What is rendered stays as it is.
  std::vector<CountedSeries> untold() const;
  void told(const std::vector<CountedSeries>& series);
  /// Label sets in the table of sums.
  std::size_t size() const { return sums_.size(); }

 private:
  struct Sum {
    TrafficCounts counts;
    TrafficCounts told;  // of counts
  };

  const TrafficOptions options_;
  std::vector<std::unique_ptr<WorkerTraffic>> workers_;
  SeriesSums<TrafficCounts, Sum> sums_;
};

}  // namespace culvert::telemetry
