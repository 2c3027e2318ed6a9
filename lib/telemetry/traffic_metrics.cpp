// Per-worker counters and their sum.
#include "culvert/telemetry/traffic_metrics.hpp"

#include <map>

namespace culvert::telemetry {
namespace {

using Values = std::array<std::uint64_t, TrafficSeries::kCounters>;

struct Family {
  TrafficSeries::Counter counter;
  const char* name;
  const char* help;
};
constexpr Family kFamilies[] = {
    {TrafficSeries::kOpened, "istio_tcp_connections_opened_total",
     "The total number of TCP connections opened."},
    {TrafficSeries::kClosed, "istio_tcp_connections_closed_total",
     "The total number of TCP connections closed."},
    {TrafficSeries::kReceivedBytes, "istio_tcp_received_bytes_total",
     "The bytes received from the connection's source."},
    {TrafficSeries::kSentBytes, "istio_tcp_sent_bytes_total",
     "The bytes sent to the connection's source."},
    {TrafficSeries::kFailed, "istio_tcp_connections_failed_total",
     "The total number of TCP connections that were refused or failed."},
};

std::string_view or_unknown(std::string_view value) {
  return value.empty() ? "unknown" : value;
}

void append_party(std::string& out, const char* side, const Party& party) {
  const auto label = [&](std::string_view name, std::string_view value) {
    append_label(out, std::string(side).append(name), or_unknown(value));
  };
  label("_workload", party.workload);
  label("_canonical_service", party.canonical_service);
  label("_canonical_revision", party.canonical_revision);
  label("_workload_namespace", party.namespace_name);
  label("_principal", party.identity);
  label("_app", party.app.empty() ? party.canonical_service : party.app);
  label("_version", party.version.empty() ? party.canonical_revision : party.version);
  label("_cluster", party.cluster);
}

void append_service(std::string& out, std::string_view service, std::string_view service_namespace,
                    std::string_view service_name) {
  append_label(out, "destination_service", or_unknown(service));
  append_label(out, "destination_service_namespace", or_unknown(service_namespace));
  append_label(out, "destination_service_name", or_unknown(service_name));
}

void append_rest(std::string& out, const ConnectionRecord& record, const char* flag,
                 const char* security) {
  append_label(out, "request_protocol", "tcp");
  append_label(out, "response_flags", flag);
  append_label(out, "connection_security_policy", security);
  append_label(out, "source_region", or_unknown(record.source.region));
  append_label(out, "source_zone", or_unknown(record.source.zone));
  append_label(out, "destination_region", or_unknown(record.destination.region));
  append_label(out, "destination_zone", or_unknown(record.destination.zone));
}

std::string overflow_labels() {
  constexpr char kOverflow[] = "overflow";
  const Party party{.workload = kOverflow,
                    .pod = {},
                    .namespace_name = kOverflow,
                    .identity = kOverflow,
                    .cluster = kOverflow,
                    .canonical_service = kOverflow,
                    .canonical_revision = kOverflow,
                    .app = {},
                    .version = {},
                    .region = kOverflow,
                    .zone = kOverflow};
  ConnectionRecord record;
  record.source = party;
  record.destination = party;
  std::string out;
  append_label(out, "reporter", kOverflow);
  append_party(out, "source", party);
  append_service(out, kOverflow, kOverflow, kOverflow);
  append_party(out, "destination", party);
  append_rest(out, record, kOverflow, kOverflow);
  return out;
}

}  // namespace

std::string traffic_labels(const ConnectionRecord& record) {
  std::string out;
  out.reserve(1024);
  append_label(out, "reporter",
               record.direction == Direction::kOutbound ? "source" : "destination");
  append_party(out, "source", record.source);
  append_service(out, record.service, record.service_namespace, record.service_name);
  append_party(out, "destination", record.destination);
  append_rest(out, record, to_string(record.flag), record.mutual_tls ? "mutual_tls" : "unknown");
  out.shrink_to_fit();
  return out;
}

WorkerTraffic::~WorkerTraffic() {
  // Unlinked one by one: the owning pointers would recurse as deep as the list is long.
  std::unique_ptr<TrafficSeries> series(newest_.load(std::memory_order_acquire));
  while (series) series = std::move(series->older_);
}

TrafficSeries& WorkerTraffic::publish(std::string labels) {
  auto series = std::make_unique<TrafficSeries>(std::move(labels));
  series->older_.reset(newest_.load(std::memory_order_relaxed));
  TrafficSeries& made = *series;
  newest_.store(series.release(), std::memory_order_release);
  return made;
}

TrafficSeries& WorkerTraffic::series(const ConnectionRecord& record) {
  std::string labels = traffic_labels(record);
  if (const auto it = by_labels_.find(labels); it != by_labels_.end()) return *it->second;
  if (by_labels_.size() >= max_series_) {
    if (overflow_ == nullptr) overflow_ = &publish(overflow_labels());
    return *overflow_;
  }
  TrafficSeries& made = publish(std::move(labels));
  by_labels_.emplace(made.labels(), &made);
  return made;
}

TrafficMetrics::TrafficMetrics(std::size_t workers, std::size_t max_series) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<WorkerTraffic>(max_series));
  }
}

void TrafficMetrics::render(PrometheusText& out) const {
  std::map<std::string_view, Values> sums;  // label texts live in the series
  for (const auto& worker : workers_) {
    worker->for_each([&](const TrafficSeries& series) {
      Values& sum = sums[series.labels()];
      for (const auto& family : kFamilies) sum[family.counter] += series.value(family.counter);
    });
  }
  for (const auto& family : kFamilies) {
    out.family(family.name, family.help, PrometheusText::Type::kCounter);
    const auto shown_by =
        family.counter == TrafficSeries::kFailed ? TrafficSeries::kFailed : TrafficSeries::kOpened;
    for (const auto& [labels, values] : sums) {
      if (values[shown_by] > 0) out.sample(labels, values[family.counter]);
    }
  }
}

}  // namespace culvert::telemetry
