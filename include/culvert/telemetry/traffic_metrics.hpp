// Istio's TCP metrics, counted on each worker without locks and summed when somebody scrapes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/prometheus_text.hpp"

namespace culvert::telemetry {

/// Label sets that a worker holds; connections beyond it count in one series whose labels all say
/// "overflow". A set costs about 1 KiB and stays until the process ends.
inline constexpr std::size_t kMaxSeriesPerWorker = 4096;

/// The label text of a record, Istio's names and order; unknown values are "unknown".
std::string traffic_labels(const ConnectionRecord& record);

/// The counters of one label set on one worker. Written by that worker's thread only, read by any.
class TrafficSeries {
 public:
  enum Counter : std::uint8_t { kOpened, kClosed, kReceivedBytes, kSentBytes, kFailed };
  static constexpr std::size_t kCounters = kFailed + 1;

  explicit TrafficSeries(std::string labels) : labels_(std::move(labels)) {}

  void opened() { add(kOpened, 1); }
  void closed() { add(kClosed, 1); }
  void received(std::uint64_t bytes) { add(kReceivedBytes, bytes); }  // from the source
  void sent(std::uint64_t bytes) { add(kSentBytes, bytes); }          // to the source
  void failed() { add(kFailed, 1); }

  const std::string& labels() const { return labels_; }
  std::uint64_t value(Counter counter) const {
    return values_[counter].load(std::memory_order_relaxed);
  }

 private:
  friend class WorkerTraffic;
  // One writer: no locked instruction is needed.
  void add(Counter counter, std::uint64_t amount) {
    auto& value = values_[counter];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  const std::string labels_;
  std::array<std::atomic<std::uint64_t>, kCounters> values_{};
  std::unique_ptr<TrafficSeries> older_;  // the list that scrapes walk; set before publication
};

/// One worker's part. series() on the worker's thread only.
class WorkerTraffic {
 public:
  explicit WorkerTraffic(std::size_t max_series) : max_series_(max_series) {}
  WorkerTraffic(const WorkerTraffic&) = delete;
  WorkerTraffic& operator=(const WorkerTraffic&) = delete;
  ~WorkerTraffic();

  /// The series of this record's labels (with its flag), made when new; valid as long as this. Keep
  /// the reference for the connection's life: finding it costs a microsecond or two.
  TrafficSeries& series(const ConnectionRecord& record);

  /// Calls `visit(const TrafficSeries&)` for each; any thread.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto* s = newest_.load(std::memory_order_acquire); s != nullptr;
         s = s->older_.get()) {
      visit(*s);
    }
  }

 private:
  TrafficSeries& publish(std::string labels);

  const std::size_t max_series_;
  std::unordered_map<std::string_view, TrafficSeries*> by_labels_;  // keys live in the series
  TrafficSeries* overflow_ = nullptr;
  std::atomic<TrafficSeries*> newest_{nullptr};  // owns the list
};

/// All workers' parts; made at startup, outlives the workers.
class TrafficMetrics {
 public:
  explicit TrafficMetrics(std::size_t workers, std::size_t max_series = kMaxSeriesPerWorker);

  WorkerTraffic& worker(std::size_t index) { return *workers_[index]; }
  /// istio_tcp_connections_opened_total, _closed_total, istio_tcp_received_bytes_total,
  /// istio_tcp_sent_bytes_total and istio_tcp_connections_failed_total. Any thread. A label set is
  /// in the first four once a connection was opened, in the last once one failed.
  void render(PrometheusText& out) const;

 private:
  std::vector<std::unique_ptr<WorkerTraffic>> workers_;
};

}  // namespace culvert::telemetry
