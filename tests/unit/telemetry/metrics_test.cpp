#include <thread>

#include "culvert/base/error.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "exposition.hpp"
#include "sample_record.hpp"

using namespace culvert;
using namespace culvert::telemetry;
using namespace culvert::test;

namespace {

using TimePoint = TrafficMetrics::TimePoint;

// As a scrape at `now` does it, with its question to each worker.
Samples scrape(TrafficMetrics& metrics, TimePoint now = {}, std::size_t workers = 1) {
  for (std::size_t i = 0; i < workers; ++i) metrics.deposit(metrics.worker(i).collect(now));
  metrics.settle(now);
  PrometheusText text;
  metrics.render(text);
  return ExpositionReader::read(text.text());
}
const std::map<Labels, std::uint64_t>& family(const Samples& samples, const char* name) {
  REQUIRE(samples.contains(name));
  return samples.at(name);
}

}  // namespace

TEST_CASE("a connection is counted with Istio's names and labels") {
  TrafficMetrics metrics(1);
  auto& series = metrics.worker(0).series(sample_record());
  series.opened();
  series.received(34);
  series.sent(12);
  series.closed();
  const auto samples = scrape(metrics);
  CHECK(samples.size() == 7);
  const Labels expected{{"reporter", "destination"},
                        {"source_workload", "web"},
                        {"source_canonical_service", "web"},
                        {"source_canonical_revision", "v1"},
                        {"source_workload_namespace", "shop"},
                        {"source_principal", "spiffe://cluster.local/ns/shop/sa/web"},
                        {"source_app", "web"},
                        {"source_version", "v1"},
                        {"source_cluster", "Kubernetes"},
                        {"destination_service", "db.data.svc.cluster.local"},
                        {"destination_service_namespace", "data"},
                        {"destination_service_name", "db"},
                        {"destination_workload", "db"},
                        {"destination_canonical_service", "db"},
                        {"destination_canonical_revision", "v2"},
                        {"destination_workload_namespace", "data"},
                        {"destination_principal", "spiffe://cluster.local/ns/data/sa/db"},
                        {"destination_app", "db"},
                        {"destination_version", "v2"},
                        {"destination_cluster", "Kubernetes"},
                        {"request_protocol", "tcp"},
                        {"response_flags", "-"},
                        {"connection_security_policy", "mutual_tls"},
                        {"source_region", "eu"},
                        {"source_zone", "eu-1"},
                        {"destination_region", "unknown"},
                        {"destination_zone", "unknown"}};
  const auto& opened = family(samples, "istio_tcp_connections_opened_total");
  REQUIRE(opened.size() == 1);
  CHECK(opened.begin()->first == expected);
  CHECK(opened.begin()->second == 1);
  CHECK(family(samples, "istio_tcp_connections_closed_total").at(expected) == 1);
  CHECK(family(samples, "istio_tcp_received_bytes_total").at(expected) == 34);
  CHECK(family(samples, "istio_tcp_sent_bytes_total").at(expected) == 12);
  CHECK(family(samples, "istio_tcp_connections_failed_total").empty());
}

TEST_CASE("the same labels on several workers are one sum") {
  TrafficMetrics metrics(3);
  for (std::size_t i = 0; i < 3; ++i) {
    auto& series = metrics.worker(i).series(sample_record());
    CHECK(&series == &metrics.worker(i).series(sample_record()));
    series.opened();
    series.sent(100);
  }
  const auto samples = scrape(metrics, {}, 3);
  REQUIRE(family(samples, "istio_tcp_sent_bytes_total").size() == 1);
  CHECK(family(samples, "istio_tcp_sent_bytes_total").begin()->second == 300);
}

TEST_CASE("a refused connection is counted with its flag and as nothing else") {
  TrafficMetrics metrics(1);
  auto record = sample_record();
  record.flag = ResponseFlag::kDeny;
  metrics.worker(0).series(record).failed();
  const auto samples = scrape(metrics);
  const auto& failed = family(samples, "istio_tcp_connections_failed_total");
  REQUIRE(failed.size() == 1);
  CHECK(failed.begin()->first.at("response_flags") == "DENY");
  CHECK(family(samples, "istio_tcp_connections_opened_total").empty());
}

TEST_CASE("label sets are bounded and the rest is counted together") {
  TrafficMetrics metrics(1, {.labels = {}, .max_series = 10});
  auto record = sample_record();
  for (int i = 0; i < 25; ++i) {
    set(record.source, &Party::workload, "web-" + std::to_string(i));
    metrics.worker(0).series(record).opened();
  }
  const auto samples = scrape(metrics);
  const auto& opened = family(samples, "istio_tcp_connections_opened_total");
  CHECK(opened.size() == 11);
  std::uint64_t overflow = 0;
  for (const auto& [labels, value] : opened) {
    if (labels.at("reporter") != "overflow") continue;
    overflow = value;
    for (const auto& [name, text] : labels) {
      CHECK(text == (name == "request_protocol" ? "tcp" : "overflow"));
    }
  }
  CHECK(overflow == 15);
}

TEST_CASE("hostile names cannot break the exposition") {
  TrafficMetrics metrics(1);
  auto record = sample_record();
  set(record.source, &Party::workload, "a\"} 1\nfake_total{x=\"\\");
  set(record.source, &Party::cluster, std::string("\0\x7f\xff\r\t", 5));
  set(record.source, &Party::namespace_name, std::string(kMaxLabelValueBytes + 50, '"'));
  metrics.worker(0).series(record).opened();
  const auto samples = scrape(metrics);
  CHECK(samples.size() == 7);
  const auto& labels = family(samples, "istio_tcp_connections_opened_total").begin()->first;
  CHECK(labels.at("source_workload") == "a\"} 1\nfake_total{x=\"\\");
  CHECK(labels.at("source_cluster") == "?????");
  CHECK(labels.at("source_workload_namespace").size() == kMaxLabelValueBytes);
}

TEST_CASE("a label that is off is not written, and what differs in it alone is counted together") {
  const auto labels = LabelSwitches::without("source_workload,,response_flags");
  REQUIRE(labels.has_value());
  TrafficMetrics metrics(1, {.labels = *labels});
  auto record = sample_record();
  for (const char* name : {"web", "shop", "cart"}) {
    set(record.source, &Party::workload, name);
    metrics.worker(0).series(record).opened();
  }
  const auto samples = scrape(metrics);
  const auto& opened = family(samples, "istio_tcp_connections_opened_total");
  REQUIRE(opened.size() == 1);
  CHECK(opened.begin()->second == 3);
  CHECK(opened.begin()->first.size() == kTrafficLabelCount - 2);
  CHECK_FALSE(opened.begin()->first.contains("source_workload"));
  CHECK_FALSE(opened.begin()->first.contains("response_flags"));
  const auto unknown = LabelSwitches::without("source_workloads");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().find("\"source_workloads\" is no label") != std::string::npos);
  CHECK(unknown.error().find("destination_zone") != std::string::npos);
}

TEST_CASE("an idle label set is forgotten everywhere, an open or busy one is kept") {
  using std::chrono::seconds;
  TrafficMetrics metrics(1, {.labels = {}, .idle_expiry = seconds(60), .max_series = 3});
  auto record = sample_record();
  const auto series_of = [&](const char* workload) -> TrafficSeries& {
    set(record.source, &Party::workload, workload);
    return metrics.worker(0).series(record);
  };
  const TimePoint start{};
  series_of("idle").opened();
  series_of("idle").closed();
  auto& open = series_of("open");
  open.opened();
  series_of("busy").failed();
  CHECK(family(scrape(metrics, start), "istio_tcp_connections_opened_total").size() == 2);
  series_of("busy").failed();
  scrape(metrics, start + seconds(59));
  CHECK(metrics.size() == 3);
  scrape(metrics, start + seconds(61));
  CHECK(metrics.size() == 2);
  CHECK(metrics.worker(0).size() == 2);
  series_of("new").opened();  // there is room again: it is not counted as overflow
  const auto samples = scrape(metrics, start + seconds(62));
  const auto& opened = family(samples, "istio_tcp_connections_opened_total");
  CHECK(opened.size() == 2);
  for (const auto& [labels, value] : opened) CHECK(labels.at("source_workload") != "overflow");
  open.closed();
  scrape(metrics, start + seconds(63));
  scrape(metrics, start + seconds(200));
  CHECK(metrics.size() == 1);  // "new" is open
  CHECK(metrics.worker(0).size() == 1);
}

TEST_CASE("an expiry of 0 forgets nothing") {
  TrafficMetrics metrics(1, {.labels = {}, .idle_expiry = std::chrono::seconds(0)});
  metrics.worker(0).series(sample_record()).failed();
  scrape(metrics);
  scrape(metrics, TimePoint{} + std::chrono::hours(10'000));
  CHECK(metrics.size() == 1);
}

TEST_CASE("the table of sums is bounded too, and what comes beyond is counted together") {
  TrafficMetrics metrics(1,
                         {.labels = {}, .idle_expiry = std::chrono::seconds(0), .max_series = 4});
  for (int i = 0; i < 10; ++i) {
    auto labels = std::make_shared<const std::string>("reporter=\"" + std::to_string(i) + "\"");
    metrics.deposit({{labels, {.opened = 1}}});
  }
  const auto samples = scrape(metrics);
  const auto& opened = family(samples, "istio_tcp_connections_opened_total");
  CHECK(opened.size() == 5);
  std::uint64_t sum = 0, overflow = 0;
  for (const auto& [labels, value] : opened) {
    sum += value;
    if (labels.at("reporter") == "overflow") overflow = value;
  }
  CHECK(sum == 10);
  CHECK(overflow == 6);
}

TEST_CASE("an edge's TCP health has the edge's labels and is kept while it is measured") {
  using std::chrono::seconds;
  TrafficMetrics metrics(1, {.labels = {}, .idle_expiry = seconds(60)});
  auto& edge = metrics.worker(0).edge(sample_record());
  edge.hold();
  edge.add({.segments = 10,
            .retransmits = 2,
            .rtt_samples = 4,
            .rtt_sum_us = 2'000'000,
            .rate_samples = 2,
            .rate_sum = 300});
  const auto text_at = [&](TimePoint now) {
    metrics.deposit(metrics.worker(0).collect(now));
    metrics.settle(now);
    PrometheusText out;
    metrics.render(out);
    return out.take();
  };
  const auto text = text_at({});
  const std::string labels =
      "{reporter=\"destination\",source_workload=\"web\",source_workload_namespace=\"shop\","
      "destination_workload=\"db\",destination_workload_namespace=\"data\"} ";
  for (const auto& [name, value] : {std::pair{"culvert_tcp_rtt_seconds_sum", "2"},
                                    std::pair{"culvert_tcp_rtt_seconds_count", "4"},
                                    std::pair{"culvert_tcp_delivery_rate_bytes_sum", "300"},
                                    std::pair{"culvert_tcp_delivery_rate_bytes_count", "2"},
                                    std::pair{"culvert_tcp_segments_sent_total", "10"},
                                    std::pair{"culvert_tcp_retransmits_total", "2"}}) {
    CAPTURE(name);
    CHECK(text.find(name + labels + value + "\n") != std::string::npos);
  }
  CHECK(text.find("istio_tcp_connections_opened_total{") == std::string::npos);
  CHECK(text_at(TimePoint{} + seconds(600)) == text);
  edge.release();
  CHECK(text_at(TimePoint{} + seconds(1200)).find(labels) == std::string::npos);
}

TEST_CASE("nothing is lost or counted twice when workers deposit beside scrapes") {
  TrafficMetrics metrics(2);
  constexpr int kSeries = 100, kRounds = 40;
  const auto work = [&metrics](std::size_t index) {
    auto record = sample_record();
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kSeries; ++i) {
        set(record.source, &Party::workload, "web-" + std::to_string(i));
        metrics.worker(index).series(record).failed();
      }
      metrics.deposit(metrics.worker(index).collect({}));
    }
  };
  const auto failed = [&metrics] {
    metrics.settle({});
    PrometheusText text;
    metrics.render(text);
    std::uint64_t sum = 0;
    const auto samples = ExpositionReader::read(text.text());
    for (const auto& [labels, value] : family(samples, "istio_tcp_connections_failed_total")) {
      sum += value;
    }
    return sum;
  };
  std::thread first(work, 0), second(work, 1);
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t sum = failed();
    CHECK(sum >= last);
    last = sum;
  }
  first.join();
  second.join();
  CHECK(failed() == 2ULL * kSeries * kRounds);
}

TEST_CASE("every error's log flag is a response flag") {
  for (int i = 0; i < kErrorCodeCount; ++i) {
    const char* flag = error_info(static_cast<ErrorCode>(i)).log_flag;
    CHECK(std::string_view(to_string(response_flag(flag))) == flag);
  }
}
