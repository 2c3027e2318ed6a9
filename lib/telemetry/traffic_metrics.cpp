// Workers' counts and their sums.
#include "culvert/telemetry/traffic_metrics.hpp"

#include <utility>

namespace culvert::telemetry {
namespace {

struct Family {
  std::uint64_t TrafficCounts::* count;
  const char* name;
  const char* help;
};
constexpr Family kFamilies[] = {
    {&TrafficCounts::opened, "istio_tcp_connections_opened_total",
     "The total number of TCP connections opened."},
    {&TrafficCounts::closed, "istio_tcp_connections_closed_total",
     "The total number of TCP connections closed."},
    {&TrafficCounts::received_bytes, "istio_tcp_received_bytes_total",
     "The bytes received from the connection's source."},
    {&TrafficCounts::sent_bytes, "istio_tcp_sent_bytes_total",
     "The bytes sent to the connection's source."},
    {&TrafficCounts::failed, "istio_tcp_connections_failed_total",
     "The total number of TCP connections that were refused or failed."},
};

bool idle(WorkerTraffic::TimePoint last_used, WorkerTraffic::TimePoint now,
          std::chrono::seconds expiry) {
  return expiry.count() > 0 && now - last_used >= expiry;
}

}  // namespace

TrafficCounts& TrafficCounts::operator+=(const TrafficCounts& other) {
  for (const auto& family : kFamilies) this->*family.count += other.*family.count;
  return *this;
}

TrafficSeries& WorkerTraffic::series(const ConnectionRecord& record) {
  std::string labels = traffic_labels(record, options_.labels);
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
    it = !used && idle(it->second->last_used_, now, options_.idle_expiry) ? by_labels_.erase(it)
                                                                          : std::next(it);
  }
  take(overflow_);
  return out;
}

TrafficMetrics::TrafficMetrics(std::size_t workers, TrafficOptions options) : options_(options) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<WorkerTraffic>(options_));
  }
}

TrafficMetrics::~TrafficMetrics() {
  for (Deposit* one = newest_.load(std::memory_order_acquire); one != nullptr;) {
    delete std::exchange(one, one->next);
  }
}

void TrafficMetrics::deposit(std::vector<CountedSeries> counted) {
  auto* made = new Deposit{std::move(counted), newest_.load(std::memory_order_relaxed)};
  while (!newest_.compare_exchange_weak(made->next, made, std::memory_order_release,
                                        std::memory_order_relaxed)) {
  }
}

TrafficMetrics::Sum& TrafficMetrics::sum_of(const std::shared_ptr<const std::string>& labels) {
  if (const auto it = sums_.find(*labels); it != sums_.end()) return it->second;
  const bool full = sums_.size() >= options_.max_series * workers_.size();
  const auto own = full ? std::make_shared<const std::string>(overflow_labels(options_.labels))
                        : labels;
  return sums_.try_emplace(std::string_view(*own), Sum{own, {}, {}}).first->second;
}

void TrafficMetrics::settle(TimePoint now) {
  const std::lock_guard lock(mutex_);
  for (Deposit* one = newest_.exchange(nullptr, std::memory_order_acquire); one != nullptr;) {
    for (const auto& series : one->counted) {
      Sum& sum = sum_of(series.labels);
      sum.counts += series.counts;
      sum.last_used = now;
    }
    delete std::exchange(one, one->next);
  }
  std::erase_if(sums_, [&](const auto& entry) {
    return idle(entry.second.last_used, now, options_.idle_expiry);
  });
}

void TrafficMetrics::render(PrometheusText& out) const {
  const std::lock_guard lock(mutex_);
  for (const auto& family : kFamilies) {
    out.family(family.name, family.help, PrometheusText::Type::kCounter);
    const auto shown_by = family.count == &TrafficCounts::failed ? &TrafficCounts::failed
                                                                 : &TrafficCounts::opened;
    for (const auto& [labels, sum] : sums_) {
      if (sum.counts.*shown_by > 0) out.sample(labels, sum.counts.*family.count);
    }
  }
}

std::size_t TrafficMetrics::size() const {
  const std::lock_guard lock(mutex_);
  return sums_.size();
}

}  // namespace culvert::telemetry
