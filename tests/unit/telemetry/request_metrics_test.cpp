// Istio's HTTP metrics: what counts where, bounds, and what is forgotten.
#include "culvert/telemetry/request_metrics.hpp"

#include <doctest/doctest.h>

#include <numeric>

#include "sample_exchange.hpp"

using namespace culvert;
using namespace culvert::telemetry;
using culvert::test::sample_exchange;
using namespace std::chrono_literals;

namespace {

const WorkerRequests::TimePoint kStart{1h};

std::string page_of(RequestMetrics& metrics, WorkerRequests::TimePoint now = kStart) {
  metrics.deposit(metrics.worker(0).collect(now));
  metrics.deposit(metrics.worker(0).collect_routes(now));
  metrics.settle(now);
  PrometheusText out;
  metrics.render(out);
  return out.take();
}

/// The value of the line that starts with `name` and has `part`; "" when there is none.
std::string value_of(const std::string& page, const std::string& name, const std::string& part) {
  std::size_t at = 0;
  while (at < page.size()) {
    const auto end = page.find('\n', at);
    const auto line = page.substr(at, end - at);
    at = end + 1;
    if (line.starts_with(name + "{") && line.find(part) != std::string::npos) {
      return line.substr(line.rfind(' ') + 1);
    }
  }
  return "";
}

}  // namespace

TEST_CASE("a request counts once, with Istio's labels in Istio's words") {
  RequestMetrics metrics(1);
  auto record = sample_exchange();
  for (int i = 0; i < 3; ++i) record.add_attempt({.status = 503});
  record.destination = sample_exchange().destination;
  metrics.worker(0).count(record);
  metrics.worker(0).count(record);
  const auto page = page_of(metrics);
  CHECK(value_of(page, "istio_requests_total",
                 "reporter=\"waypoint\",source_workload=\"front\","
                 "source_canonical_service=\"front\",source_canonical_revision=\"unknown\","
                 "source_workload_namespace=\"shop\","
                 "source_principal=\"spiffe://cluster.local/ns/shop/sa/front\","
                 "source_app=\"front\"") == "2");
  CHECK(value_of(page, "istio_requests_total",
                 "request_protocol=\"http\",connection_security_policy=\"mutual_tls\","
                 "response_code=\"200\",grpc_response_status=\"\",response_flags=\"-\"") == "2");
  CHECK(value_of(page, "istio_requests_total",
                 "destination_service=\"web.shop.svc.cluster.local\","
                 "destination_service_name=\"web\",destination_service_namespace=\"shop\"") == "2");
  CHECK(page.find("istio_request_messages_total{") == std::string::npos);
}

TEST_CASE("the histograms add up, and their buckets hold what is at most their bound") {
  RequestMetrics metrics(1);
  auto record = sample_exchange();
  for (const auto took : {400us, 500us, 12'000us, 4'000'000us}) {
    record.duration = took;
    metrics.worker(0).count(record);
  }
  record.duration = 2h;
  metrics.worker(0).count(record);
  const auto page = page_of(metrics);
  const std::string name = "istio_request_duration_milliseconds";
  CHECK(value_of(page, name + "_bucket", "le=\"0.5\"") == "2");
  CHECK(value_of(page, name + "_bucket", "le=\"10\"") == "2");
  CHECK(value_of(page, name + "_bucket", "le=\"25\"") == "3");
  CHECK(value_of(page, name + "_bucket", "le=\"5000\"") == "4");
  CHECK(value_of(page, name + "_bucket", "le=\"3600000\"") == "4");
  CHECK(value_of(page, name + "_bucket", "le=\"+Inf\"") == "5");
  CHECK(value_of(page, name + "_count", "") == "5");
  CHECK(std::stod(value_of(page, name + "_sum", "")) == doctest::Approx(7'204'012.9));
  CHECK(value_of(page, "istio_response_bytes_sum", "") == "350000");
  CHECK(value_of(page, "istio_request_bytes_bucket", "le=\"5\"") == "5");
}

TEST_CASE("gRPC has its status as a label, and counts messages both ways") {
  RequestMetrics metrics(1);
  auto record = sample_exchange();
  record.grpc = true;
  record.grpc_status = 14;
  const std::array<std::uint8_t, 10> two{};
  record.request_messages.feed(two);
  record.response_messages.feed(std::span(two).first(5));
  metrics.worker(0).count(record);
  const auto page = page_of(metrics);
  const std::string labels = "request_protocol=\"grpc\"";
  CHECK(value_of(page, "istio_requests_total", "grpc_response_status=\"14\"") == "1");
  CHECK(value_of(page, "istio_request_messages_total", labels) == "2");
  CHECK(value_of(page, "istio_response_messages_total", labels) == "1");
}

TEST_CASE("what differs in one label is counted apart, also right behind one another") {
  RequestMetrics metrics(1);
  auto record = sample_exchange();
  metrics.worker(0).count(record);
  record.status = 503;
  record.end = ExchangeEnd::kNoHealthyUpstream;
  metrics.worker(0).count(record);
  record.flags.set(ExchangeFlag::kRetriesExceeded);
  metrics.worker(0).count(record);
  record = sample_exchange();  // other objects with the same names
  record.mutual_tls = false;
  metrics.worker(0).count(record);
  record.mutual_tls = true;
  metrics.worker(0).count(record);
  const auto page = page_of(metrics);
  CHECK(value_of(page, "istio_requests_total", "response_flags=\"UH\"") == "1");
  CHECK(value_of(page, "istio_requests_total", "response_flags=\"UH,URX\"") == "1");
  CHECK(value_of(page, "istio_requests_total", "security_policy=\"none\"") == "1");
  CHECK(value_of(page, "istio_requests_total", "mutual_tls\",response_code=\"200\"") == "2");
  CHECK(metrics.size() == 4);
}

TEST_CASE("label sets beyond the bound are counted together") {
  RequestMetrics metrics(1, {.max_series = 3});
  auto record = sample_exchange();
  for (std::uint16_t status = 200; status < 210; ++status) {
    record.status = status;
    metrics.worker(0).count(record);
  }
  CHECK(metrics.worker(0).size() == 3);
  const auto page = page_of(metrics);
  CHECK(value_of(page, "istio_requests_total", "response_code=\"overflow\"") == "7");
}

TEST_CASE("idle label sets are forgotten by workers and sums, those in use are not") {
  RequestMetrics metrics(1, {.idle_expiry = 60s});
  auto record = sample_exchange();
  metrics.worker(0).count(record);
  record.status = 404;
  metrics.worker(0).count(record);
  page_of(metrics);
  metrics.worker(0).count(record);
  page_of(metrics, kStart + 59s);
  const auto page = page_of(metrics, kStart + 61s);
  CHECK(metrics.worker(0).size() == 1);
  CHECK(value_of(page, "istio_requests_total", "response_code=\"404\"") == "2");
  CHECK(value_of(page, "istio_requests_total", "response_code=\"200\"") == "");
  record.status = 200;
  metrics.worker(0).count(record);  // what was remembered of it went too
  CHECK(value_of(page_of(metrics, kStart + 62s), "istio_requests_total", "code=\"200\"") == "1");
}

TEST_CASE("requests count by VirtualService, statPrefix and class of their status") {
  RequestMetrics metrics(1);
  auto record = sample_exchange();
  for (const int status : {200, 204, 0, 101, 302, 404, 503, 599, 999}) {
    record.status = static_cast<std::uint16_t>(status);
    metrics.worker(0).count(record);
  }
  record.virtual_service = "shop/others";
  metrics.worker(0).count(record);
  const auto page = page_of(metrics);
  const std::string name = "culvert_route_requests_total";
  for (const auto& [code_class, count] :
       {std::pair{"none", "2"}, std::pair{"1xx", "1"}, std::pair{"2xx", "2"}, std::pair{"3xx", "1"},
        std::pair{"4xx", "1"}, std::pair{"5xx", "2"}}) {
    CAPTURE(code_class);
    CHECK(value_of(page, name,
                   "{virtual_service=\"shop/routes\",stat_prefix=\"find\",response_code_class=\"" +
                       std::string(code_class) + "\"}") == count);
  }
  CHECK(value_of(page, name, "{virtual_service=\"shop/others\"") == "1");
}

TEST_CASE("without a statPrefix nothing is counted by it, not even a family is told") {
  RequestMetrics metrics(1);
  auto record = sample_exchange();
  record.stat_prefix.clear();
  metrics.worker(0).count(record);
  CHECK(page_of(metrics).find("culvert_route") == std::string::npos);
}

TEST_CASE("prefixes beyond the bound are counted together, and idle ones are forgotten") {
  RequestMetrics metrics(1, {.idle_expiry = 60s, .max_routes = 3});
  auto record = sample_exchange();
  for (int i = 0; i < 10; ++i) {
    record.stat_prefix = "p" + std::to_string(i);
    metrics.worker(0).count(record);
  }
  const std::string name = "culvert_route_requests_total";
  CHECK(value_of(page_of(metrics), name, "stat_prefix=\"overflow\"") == "7");
  record.stat_prefix = "p0";
  metrics.worker(0).count(record);
  page_of(metrics, kStart + 59s);
  record.stat_prefix =
      "later";  // there is no room yet: p1 and p2 are held until they are collected
  metrics.worker(0).count(record);
  page_of(metrics, kStart + 61s);
  metrics.worker(0).count(record);
  const auto page = page_of(metrics, kStart + 62s);
  CHECK(value_of(page, name, "stat_prefix=\"p0\"") == "2");
  CHECK(value_of(page, name, "stat_prefix=\"p1\"") == "");
  CHECK(value_of(page, name, "stat_prefix=\"later\"") == "1");
}
