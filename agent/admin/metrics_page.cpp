#include "metrics_page.hpp"

#include <algorithm>

#include "answers.hpp"
#include "culvert/telemetry/process_metrics.hpp"
#include "culvert/telemetry/prometheus_text.hpp"

namespace culvert::agent {
namespace {

using telemetry::PrometheusText;
using Type = PrometheusText::Type;

std::string label(std::string_view name, std::string_view value) {
  std::string out;
  telemetry::append_label(out, name, value);
  return out;
}

void render_maps(PrometheusText& out, const Enrollment& enrollment) {
  const std::vector<MapFill> maps = enrollment.map_fills();
  const std::vector<std::string> full = enrollment.full_maps();
  out.family("culvert_agent_map_entries", "Entries of a capture map at the agent's last look.",
             Type::kGauge);
  for (const MapFill& map : maps)
    out.sample(label("map", map.map), static_cast<std::uint64_t>(map.entries));
  out.family("culvert_agent_map_capacity", "Entries that a capture map can hold.", Type::kGauge);
  for (const MapFill& map : maps)
    out.sample(label("map", map.map), static_cast<std::uint64_t>(map.capacity));
  out.family("culvert_agent_map_alarm",
             "1 from 80 % of a capture map's capacity on until it is back at 70 %.", Type::kGauge);
  for (const MapFill& map : maps)
    out.sample(label("map", map.map),
               static_cast<std::uint64_t>(std::ranges::count(full, map.map)));
}

void render_pods(PrometheusText& out, const MetricsContext& context) {
  const std::vector<PodStatus> pods = context.enrollment.list();
  out.family("culvert_agent_pods", "Pods of the node by state of their capture.", Type::kGauge);
  for (const CaptureState state :
       {CaptureState::kCaptured, CaptureState::kFailed, CaptureState::kEnding}) {
    const auto count =
        std::ranges::count_if(pods, [&](const PodStatus& pod) { return pod.state == state; });
    out.sample(label("state", text(state)), static_cast<std::uint64_t>(count));
  }
  out.family("culvert_agent_ztunnel_connected", "1 while a ztunnel is connected.", Type::kGauge);
  out.sample("", static_cast<std::uint64_t>(context.handover.connected() ? 1 : 0));
}

admin::Response metrics(const MetricsContext& context, const admin::Request& request) {
  const auto accept = request.headers.find("accept");
  PrometheusText out(
      telemetry::metrics_format(accept == request.headers.end() ? "" : accept->second));
  render_maps(out, context.enrollment);
  render_pods(out, context);
  telemetry::render_process(out);
  const char* type = out.content_type();
  return {.body = out.take(), .content_type = type};
}

}  // namespace

std::vector<admin::Route> metrics_routes(MetricsContext context) {
  return {{"GET", "/metrics",
           [context](const admin::Request& request) { return metrics(context, request); }}};
}

}  // namespace culvert::agent
