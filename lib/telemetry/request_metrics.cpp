// Workers' counts of requests and their sums.
#include "culvert/telemetry/request_metrics.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace culvert::telemetry {
namespace {

struct Counter {
  std::uint64_t RequestCounts::* count;
  const char* name;
  const char* help;
  bool grpc;  // of gRPC alone
};
constexpr Counter kCounters[] = {
    {&RequestCounts::requests, "istio_requests_total", "The total number of requests.", false},
    {&RequestCounts::request_messages, "istio_request_messages_total",
     "The total number of gRPC messages that clients sent.", true},
    {&RequestCounts::response_messages, "istio_response_messages_total",
     "The total number of gRPC messages that clients were sent.", true},
};

struct Histogram {
  RequestHistogram RequestCounts::* histogram;
  const char* name;
  const char* help;
};
constexpr Histogram kHistograms[] = {
    {&RequestCounts::duration_ms, "istio_request_duration_milliseconds",
     "How long requests took, from their head to the last byte of the answer."},
    {&RequestCounts::request_bytes, "istio_request_bytes", "Bytes of the requests' bodies."},
    {&RequestCounts::response_bytes, "istio_response_bytes", "Bytes of the responses' bodies."},
};

// Where a request like this one is remembered.
std::size_t slot_of(const ExchangeRecord& record, std::size_t slots) {
  const auto address = [](const void* p) { return std::hash<const void*>{}(p) >> 4; };
  std::size_t hash = address(&*record.source) * 31 + address(&*record.destination);
  hash = hash * 31 + address(&*record.service) + record.status;
  return (hash ^ hash >> 9) % slots;
}

}  // namespace

void RequestHistogram::add(double value) {
  const auto* at = std::ranges::lower_bound(kRequestBuckets, value);
  ++counts[static_cast<std::size_t>(at - kRequestBuckets.begin())];
  sum += value;
}

RequestHistogram& RequestHistogram::operator+=(const RequestHistogram& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum += other.sum;
  return *this;
}

void RequestCounts::add(const ExchangeRecord& record) {
  using milliseconds = std::chrono::duration<double, std::milli>;
  ++requests;
  grpc = grpc || record.grpc;
  request_messages += record.request_messages.count();
  response_messages += record.response_messages.count();
  duration_ms.add(milliseconds(record.duration).count());
  request_bytes.add(static_cast<double>(record.received_bytes));
  response_bytes.add(static_cast<double>(record.sent_bytes));
}

RequestCounts& RequestCounts::operator+=(const RequestCounts& other) {
  for (const auto& counter : kCounters) this->*counter.count += other.*counter.count;
  for (const auto& one : kHistograms) this->*one.histogram += other.*one.histogram;
  grpc = grpc || other.grpc;
  return *this;
}

bool WorkerRequests::Recent::is_like(const ExchangeRecord& record,
                                     const ExchangeFlags& all_flags) const {
  return series != nullptr && &*source == &*record.source &&
         &*destination == &*record.destination && &*service == &*record.service &&
         status == record.status && grpc_status == record.grpc_status && flags == all_flags &&
         grpc == record.grpc && mutual_tls == record.mutual_tls;
}

WorkerRequests::Series& WorkerRequests::series_of(const ExchangeRecord& record) {
  const auto flags = record.all_flags();
  Recent& recent = recent_[slot_of(record, recent_.size())];
  if (recent.is_like(record, flags)) return *recent.series;
  auto labels = request_labels(record);
  auto it = by_labels_.find(labels);
  if (it == by_labels_.end()) {
    if (by_labels_.size() >= options_.max_series) {
      if (overflow_.labels == nullptr) {
        overflow_.labels = std::make_shared<const std::string>(request_overflow_labels());
      }
      return overflow_;
    }
    auto made = std::make_unique<Series>();
    made->labels = std::make_shared<const std::string>(std::move(labels));
    const std::string_view key = *made->labels;
    it = by_labels_.emplace(key, std::move(made)).first;
  }
  recent = {.source = record.source,
            .destination = record.destination,
            .service = record.service,
            .status = record.status,
            .grpc_status = record.grpc_status,
            .flags = flags,
            .grpc = record.grpc,
            .mutual_tls = record.mutual_tls,
            .series = it->second.get()};
  return *recent.series;
}

void WorkerRequests::count(const ExchangeRecord& record) {
  series_of(record).counts.add(record);
  if (!record.stat_prefix.empty()) routes_.count(record);
}

std::vector<CountedRequests> WorkerRequests::collect(TimePoint now) {
  std::vector<CountedRequests> out;
  const auto take = [&](Series& series) {
    if (series.counts.requests == 0) return false;
    out.push_back({series.labels, std::exchange(series.counts, {})});
    series.last_used = now;
    return true;
  };
  recent_.fill({});  // series may go, and parties that nobody else has any more
  for (auto it = by_labels_.begin(); it != by_labels_.end();) {
    const bool used = take(*it->second);
    const bool gone = !used && is_idle(it->second->last_used, now, options_.idle_expiry);
    it = gone ? by_labels_.erase(it) : std::next(it);
  }
  take(overflow_);
  return out;
}

RequestMetrics::RequestMetrics(std::size_t workers, RequestOptions options)
    : options_(options),
      sums_(options.max_series * workers, options.idle_expiry, request_overflow_labels()),
      routes_(options.max_routes * workers, options.idle_expiry, route_overflow_labels()) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<WorkerRequests>(options_));
  }
}

void RequestMetrics::render(PrometheusText& out) const {
  sums_.look([&out](const auto& sums) {
    for (const auto& counter : kCounters) {
      out.family(counter.name, counter.help, PrometheusText::Type::kCounter);
      for (const auto& [labels, entry] : sums) {
        const RequestCounts& counts = entry.sum.counts;
        if (!counter.grpc || counts.grpc) out.sample(labels, counts.*counter.count);
      }
    }
    for (const auto& one : kHistograms) {
      out.family(one.name, one.help, PrometheusText::Type::kHistogram);
      for (const auto& [labels, entry] : sums) {
        const RequestHistogram& histogram = entry.sum.counts.*one.histogram;
        out.histogram(labels, kRequestBuckets, histogram.counts, histogram.sum);
      }
    }
  });
  render_routes(out, routes_);
}

}  // namespace culvert::telemetry
