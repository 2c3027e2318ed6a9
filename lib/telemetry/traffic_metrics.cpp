// Workers' counts and their sums.
#include "culvert/telemetry/traffic_metrics.hpp"

#include <algorithm>
#include <utility>

namespace culvert::telemetry {
namespace {

using Count = std::uint64_t TrafficCounts::*;

struct Family {
  Count count;
  const char* name;
  const char* help;
  Count shown_by;  // a label set is in the family when this is not 0
};
constexpr Family kFamilies[] = {
    {&TrafficCounts::opened, "istio_tcp_connections_opened_total",
     "The total number of TCP connections opened.", &TrafficCounts::opened},
    {&TrafficCounts::closed, "istio_tcp_connections_closed_total",
     "The total number of TCP connections closed.", &TrafficCounts::opened},
    {&TrafficCounts::received_bytes, "istio_tcp_received_bytes_total",
     "The bytes received from the connection's source.", &TrafficCounts::opened},
    {&TrafficCounts::sent_bytes, "istio_tcp_sent_bytes_total",
     "The bytes sent to the connection's source.", &TrafficCounts::opened},
    {&TrafficCounts::failed, "istio_tcp_connections_failed_total",
     "The total number of TCP connections that were refused or failed.", &TrafficCounts::failed},
    {&TrafficCounts::segments, "culvert_tcp_segments_sent_total",
     "TCP segments with data that were sent on the network.", &TrafficCounts::rtt_samples},
    {&TrafficCounts::retransmits, "culvert_tcp_retransmits_total",
     "TCP segments that were sent again on the network.", &TrafficCounts::rtt_samples},
};

/// What is written as a sum and the number of its samples.
struct Summary {
  Count sum;
  Count samples;
  double unit;  // of the sum, in the metric's
  const char* name;
  const char* help;
};
constexpr Summary kSummaries[] = {
    {&TrafficCounts::rtt_sum_us, &TrafficCounts::rtt_samples, 1e-6, "culvert_tcp_rtt_seconds",
     "The smoothed round-trip time of TCP connections on the network, once a round trip."},
    {&TrafficCounts::rate_sum, &TrafficCounts::rate_samples, 1, "culvert_tcp_delivery_rate_bytes",
     "Bytes a second that TCP connections on the network deliver, once a round trip."},
};

}  // namespace

TrafficCounts& TrafficCounts::operator+=(const TrafficCounts& other) {
  for (const auto& family : kFamilies) this->*family.count += other.*family.count;
  for (const auto& summary : kSummaries) {
    this->*summary.sum += other.*summary.sum;
    this->*summary.samples += other.*summary.samples;
  }
  return *this;
}

TrafficCounts& TrafficCounts::operator-=(const TrafficCounts& other) {
  const auto less = [&](Count count) { this->*count -= std::min(this->*count, other.*count); };
  for (const auto& family : kFamilies) less(family.count);
  for (const auto& summary : kSummaries) {
    less(summary.sum);
    less(summary.samples);
  }
  return *this;
}

TrafficSeries& WorkerTraffic::series_of(std::string labels) {
  if (const auto it = by_labels_.find(labels); it != by_labels_.end()) return *it->second;
  if (by_labels_.size() >= options_.max_series) {
    if (overflow_.labels().empty()) overflow_ = TrafficSeries(overflow_labels(options_.labels));
    return overflow_;
  }
  auto made = std::make_unique<TrafficSeries>(std::move(labels));
  TrafficSeries& out = *made;
  by_labels_.emplace(out.labels(), std::move(made));
  return out;
}

std::vector<CountedSeries> WorkerTraffic::collect(TimePoint now) {
  std::vector<CountedSeries> out;
  const auto take = [&](TrafficSeries& series) {
    const bool used = series.open_ > 0 || series.counts_ != TrafficCounts{};
    if (used) {
      out.push_back({series.labels_, std::exchange(series.counts_, {})});
      series.last_used_ = now;
    }
    return used;
  };
  for (auto it = by_labels_.begin(); it != by_labels_.end();) {
    const bool used = take(*it->second);
    it = !used && is_idle(it->second->last_used_, now, options_.idle_expiry) ? by_labels_.erase(it)
                                                                             : std::next(it);
  }
  take(overflow_);
  return out;
}

TrafficMetrics::TrafficMetrics(std::size_t workers, TrafficOptions options)
    : options_(options),
      sums_(options.max_series * workers, options.idle_expiry, overflow_labels(options.labels)) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<WorkerTraffic>(options_));
  }
}

void TrafficMetrics::render(PrometheusText& out) const {
  sums_.look([&out](const auto& sums) {
    for (const auto& family : kFamilies) {
      out.family(family.name, family.help, PrometheusText::Type::kCounter);
      for (const auto& [labels, entry] : sums) {
        const TrafficCounts& counts = entry.sum.counts;
        if (counts.*family.shown_by > 0) out.sample(labels, counts.*family.count);
      }
    }
    for (const auto& summary : kSummaries) {
      out.family(summary.name, summary.help, PrometheusText::Type::kSummary);
      for (const auto& [labels, entry] : sums) {
        const TrafficCounts& counts = entry.sum.counts;
        const std::uint64_t samples = counts.*summary.samples;
        if (samples == 0) continue;
        out.summary(labels, static_cast<double>(counts.*summary.sum) * summary.unit, samples);
      }
    }
  });
}

std::vector<CountedSeries> TrafficMetrics::untold() const {
  return sums_.look([](const auto& sums) {
    std::vector<CountedSeries> out;
    for (const auto& [labels, entry] : sums) {
      if (entry.sum.counts == entry.sum.told) continue;
      out.push_back({entry.labels, entry.sum.counts});
      out.back().counts -= entry.sum.told;
    }
    return out;
  });
}

void TrafficMetrics::told(const std::vector<CountedSeries>& series) {
  sums_.change([&series](auto& sums) {
    for (const auto& one : series) {
      if (const auto it = sums.find(*one.labels); it != sums.end()) {
        it->second.sum.told += one.counts;
      }
    }
  });
}

}  // namespace culvert::telemetry
