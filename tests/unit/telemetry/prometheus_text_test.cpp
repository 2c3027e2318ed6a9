#include "culvert/telemetry/prometheus_text.hpp"

#include <doctest/doctest.h>

#include "culvert/telemetry/process_metrics.hpp"

using namespace culvert::telemetry;

namespace {

std::string exposition(MetricsFormat format) {
  PrometheusText out(format);
  out.family("things_total", "Things.", PrometheusText::Type::kCounter);
  out.sample("a=\"b\"", std::uint64_t{3});
  out.family("level", "Level.", PrometheusText::Type::kGauge);
  out.sample("", 0.5);
  out.family("wait_seconds", "Wait.", PrometheusText::Type::kSummary);
  out.summary("", 1.5, 4);
  return out.take();
}

}  // namespace

TEST_CASE("text has whole names, OpenMetrics has families without _total and an end") {
  CHECK(exposition(MetricsFormat::kText) ==
        "# HELP things_total Things.\n# TYPE things_total counter\nthings_total{a=\"b\"} 3\n"
        "# HELP level Level.\n# TYPE level gauge\nlevel 0.5\n"
        "# HELP wait_seconds Wait.\n# TYPE wait_seconds summary\nwait_seconds_sum 1.5\n"
        "wait_seconds_count 4\n");
  CHECK(exposition(MetricsFormat::kOpenMetrics) ==
        "# HELP things Things.\n# TYPE things counter\nthings_total{a=\"b\"} 3\n"
        "# HELP level Level.\n# TYPE level gauge\nlevel 0.5\n"
        "# HELP wait_seconds Wait.\n# TYPE wait_seconds summary\nwait_seconds_sum 1.5\n"
        "wait_seconds_count 4\n# EOF\n");
}

TEST_CASE("the format is what the client asks for") {
  const auto open = [](std::string_view accept) {
    return metrics_format(accept) == MetricsFormat::kOpenMetrics;
  };
  CHECK(open("application/openmetrics-text"));
  CHECK(open("Application/OpenMetrics-Text; version=1.0.0"));
  CHECK(open("text/plain;q=0.3, application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"));
  CHECK_FALSE(open(""));
  CHECK_FALSE(open("*/*"));
  CHECK_FALSE(open("text/plain;version=0.0.4"));
  CHECK_FALSE(open("application/openmetrics-text;q=0"));
  CHECK_FALSE(open("application/openmetrics-text;version=1.0.0; q=0.00, text/plain"));
  CHECK_FALSE(open("application/openmetrics-textual"));
  CHECK_FALSE(open(",,;;,"));
}

TEST_CASE("the process has descriptors, memory, threads and a start") {
  PrometheusText out;
  render_process(out);
  for (const char* name : {"process_open_fds", "process_max_fds", "process_threads",
                           "process_cpu_seconds_total", "process_resident_memory_bytes",
                           "process_virtual_memory_bytes", "process_start_time_seconds"}) {
    CAPTURE(name);
    const auto at = out.text().find(std::string("\n") + name + " ");
    REQUIRE(at != std::string::npos);
    const double value = std::stod(out.text().substr(at + std::string(name).size() + 2));
    CHECK(value >= (std::string_view(name) == "process_cpu_seconds_total" ? 0 : 1));
  }
}
