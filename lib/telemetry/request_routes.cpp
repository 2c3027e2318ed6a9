// Workers' counts by statPrefix, and their sums.
#include "culvert/telemetry/request_routes.hpp"

#include <utility>

namespace culvert::telemetry {
namespace {

constexpr std::string_view kOverflow = "overflow";

void append_labels(std::string& out, std::string_view virtual_service, std::string_view prefix) {
  append_label(out, "virtual_service", virtual_service);
  append_label(out, "stat_prefix", prefix);
}

std::size_t class_of(std::uint16_t status) {
  const std::size_t hundreds = status / 100U;
  return hundreds < kResponseCodeClasses.size() ? hundreds : 0;
}

}  // namespace

RouteCounts& RouteCounts::operator+=(const RouteCounts& other) {
  for (std::size_t i = 0; i < by_class.size(); ++i) by_class[i] += other.by_class[i];
  return *this;
}

std::string route_overflow_labels() {
  std::string out;
  append_labels(out, kOverflow, kOverflow);
  return out;
}

WorkerRoutes::Series& WorkerRoutes::series_of(const ExchangeRecord& record) {
  labels_.clear();
  append_labels(labels_, record.virtual_service, record.stat_prefix);
  if (const auto it = by_labels_.find(labels_); it != by_labels_.end()) return *it->second;
  if (by_labels_.size() >= max_series_) {
    if (overflow_.labels == nullptr) {
      overflow_.labels = std::make_shared<const std::string>(route_overflow_labels());
    }
    return overflow_;
  }
  auto made = std::make_unique<Series>();
  made->labels = std::make_shared<const std::string>(labels_);
  const std::string_view key = *made->labels;
  return *by_labels_.emplace(key, std::move(made)).first->second;
}

void WorkerRoutes::count(const ExchangeRecord& record) {
  auto& series = series_of(record);
  ++series.counts.by_class[class_of(record.status)];
  series.counted = true;
}

std::vector<CountedRoutes> WorkerRoutes::collect(TimePoint now) {
  std::vector<CountedRoutes> out;
  const auto take = [&](Series& series) {
    if (!std::exchange(series.counted, false)) return false;
    out.push_back({series.labels, std::exchange(series.counts, {})});
    series.last_used = now;
    return true;
  };
  for (auto it = by_labels_.begin(); it != by_labels_.end();) {
    const bool used = take(*it->second);
    const bool gone = !used && is_idle(it->second->last_used, now, idle_expiry_);
    it = gone ? by_labels_.erase(it) : std::next(it);
  }
  take(overflow_);
  return out;
}

void render_routes(PrometheusText& out, const RouteSums& sums) {
  sums.look([&out](const auto& all) {
    if (all.empty()) return;
    out.family("culvert_route_requests_total",
               "Requests by the statPrefix of the match that took them.",
               PrometheusText::Type::kCounter);
    for (const auto& [labels, entry] : all) {
      for (std::size_t i = 0; i < kResponseCodeClasses.size(); ++i) {
        const auto count = entry.sum.counts.by_class[i];
        if (count == 0) continue;
        std::string with_class(labels);
        append_label(with_class, "response_code_class", kResponseCodeClasses[i]);
        out.sample(with_class, count);
      }
    }
  });
}

}  // namespace culvert::telemetry
