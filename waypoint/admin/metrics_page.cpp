#include "waypoint/admin/metrics_page.hpp"

#include "culvert/proxy/ask.hpp"
#include "culvert/proxy/xds_metrics.hpp"
#include "culvert/telemetry/process_metrics.hpp"

namespace culvert::waypoint {

using telemetry::append_label;
using telemetry::PrometheusText;
using Type = PrometheusText::Type;

namespace {

void one(PrometheusText& out, const char* name, const char* help, Type type, std::uint64_t value) {
  out.family(name, help, type);
  out.sample("", value);
}

void render_build(PrometheusText& out) {
  out.family("istio_build", "Istio component build info.", Type::kGauge);
  std::string labels;
  append_label(labels, "component", "waypoint");
  append_label(labels, "tag", "culvert-" CULVERT_VERSION);
  out.sample(labels, std::uint64_t{1});
}

// From a server's thread: has every worker deposit what it counted. nullopt when one does not
// answer in time.
std::optional<std::size_t> collect_now(const Observed& observed) {
  const auto answers = proxy::ask_workers(
      *observed.workers,
      [metrics = observed.metrics, requests = observed.requests](Worker& worker) {
        metrics->deposit(worker.reporter().collect(io::Clock::now()));
        requests->metrics.deposit(worker.request_log().collect(io::Clock::now()));
        requests->metrics.deposit(worker.request_log().collect_routes(io::Clock::now()));
        return worker.live().size();
      });
  observed.metrics->settle(io::Clock::now());
  observed.requests->metrics.settle(io::Clock::now());
  if (!answers) return std::nullopt;
  std::size_t open = 0;
  for (const auto count : *answers) open += count;
  return open;
}

}  // namespace

std::optional<admin::Response> metrics_page(io::Loop& loop,
                                            const std::shared_ptr<const Observed>& observed,
                                            const admin::Request& request) {
  const auto xds = proxy::ask(loop, [observed] { return observed->control->status(); });
  const auto open = collect_now(*observed);
  if (!xds || !open) return std::nullopt;

  const auto accept = request.headers.find("accept");
  PrometheusText out(
      telemetry::metrics_format(accept == request.headers.end() ? "" : accept->second));
  observed->requests->metrics.render(out);
  observed->metrics->render(out);
  one(out, "culvert_connections_open", "Connections that are carried now.", Type::kGauge, *open);
  render_build(out);
  proxy::render_xds(out, *xds);
  observed->trust->render(out);
  one(out, "culvert_label_sets", "Label sets that are held for the TCP metrics.", Type::kGauge,
      observed->metrics->size());
  one(out, "culvert_access_log_lines_dropped_total",
      "Access log lines that were dropped because their reader is too slow.", Type::kCounter,
      observed->lines->dropped());
  one(out, "culvert_stream_buffer_bytes", "Bytes that all HTTP/2 streams hold.", Type::kGauge,
      observed->budget->used_bytes());
  one(out, "culvert_data_threads", "Data threads.", Type::kGauge, observed->workers->size());
  render_process(out);
  admin::Response response{200, {}, out.content_type()};
  response.body = out.take();
  return response;
}

}  // namespace culvert::waypoint
