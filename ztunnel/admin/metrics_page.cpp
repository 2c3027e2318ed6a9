#include "ztunnel/admin/metrics_page.hpp"

#include "culvert/h2/budget.hpp"
#include "culvert/proxy/ask.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/proxy/trust_counters.hpp"
#include "culvert/proxy/xds_metrics.hpp"
#include "culvert/telemetry/process_metrics.hpp"
#include "ztunnel/admin/collect.hpp"
#include "ztunnel/control/zds_link.hpp"
#include "ztunnel/handover/draining_links.hpp"
#include "ztunnel/pods/registry.hpp"

namespace culvert::ztunnel {

using telemetry::append_label;
using telemetry::PrometheusText;
using Type = PrometheusText::Type;

namespace {

/// What the control loop knows.
struct ControlState {
  xds::ClientStatus xds;
  std::size_t active_pods;
  std::size_t pending_pods;
  std::uint64_t started_pods;
  std::uint64_t stopped_pods;
  OpenNow draining;  // what those open that drain beside us
  std::size_t draining_ztunnels;
};

ControlState control_state(const Observed& observed) {
  const DrainingLinks* draining = observed.draining;
  return {observed.control->status(),
          observed.registry->pods().size(),
          observed.zds->pending(),
          observed.registry->started(),
          observed.registry->stopped(),
          draining == nullptr ? OpenNow() : draining->open(),
          draining == nullptr ? 0 : draining->count()};
}

std::string label(std::string_view name, std::string_view value) {
  std::string out;
  append_label(out, name, value);
  return out;
}

void one(PrometheusText& out, const char* name, const char* help, Type type, std::uint64_t value) {
  out.family(name, help, type);
  out.sample("", value);
}

void render_build(PrometheusText& out) {
  out.family("istio_build", "Istio component build info.", Type::kGauge);
  std::string labels = label("component", "ztunnel");
  append_label(labels, "tag", "culvert-" CULVERT_VERSION);
  out.sample(labels, std::uint64_t{1});
}

void render_open(PrometheusText& out, const OpenNow& open) {
  out.family("istio_tcp_sockets_open", "The current number of open TCP sockets.", Type::kGauge);
  out.sample(label("reporter", "source"), std::uint64_t{open.outbound_sockets});
  out.sample(label("reporter", "destination"), std::uint64_t{open.inbound_sockets});
  one(out, "culvert_connections_open", "Connections that are carried now.", Type::kGauge,
      open.connections);
}

void render_pods(PrometheusText& out, const ControlState& state) {
  one(out, "workload_manager_active_proxy_count", "Pods that are served.", Type::kGauge,
      state.active_pods);
  one(out, "workload_manager_pending_proxy_count", "Pods that could not be served yet.",
      Type::kGauge, state.pending_pods);
  one(out, "workload_manager_proxies_started_total", "Pods taken over.", Type::kCounter,
      state.started_pods);
  one(out, "workload_manager_proxies_stopped_total", "Pods given up.", Type::kCounter,
      state.stopped_pods);
}

}  // namespace

admin::Response metrics_page(io::Loop& loop, const std::shared_ptr<const Observed>& observed,
                             const admin::Request& request) {
  const auto control = proxy::ask(loop, [observed] { return control_state(*observed); });
  auto open = collect_now(*observed->workers, *observed->metrics);
  if (!control || !open) return busy();
  *open += control->draining;

  const auto accept = request.headers.find("accept");
  PrometheusText out(
      telemetry::metrics_format(accept == request.headers.end() ? "" : accept->second));
  observed->metrics->render(out);
  render_open(out, *open);
  render_build(out);
  proxy::render_xds(out, control->xds);
  render_pods(out, *control);
  observed->trust->render(out);
  one(out, "culvert_draining_ztunnels",
      "Ztunnels of this node that drain, and whose counts are added here.", Type::kGauge,
      control->draining_ztunnels);
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

}  // namespace culvert::ztunnel
