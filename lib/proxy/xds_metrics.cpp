#include "culvert/proxy/xds_metrics.hpp"

#include <array>
#include <string>

namespace culvert::proxy {

using telemetry::PrometheusText;
using Type = PrometheusText::Type;

namespace {

std::string label(std::string_view name, std::string_view value) {
  std::string out;
  telemetry::append_label(out, name, value);
  return out;
}

}  // namespace

void render_xds(PrometheusText& out, const xds::ClientStatus& status) {
  constexpr std::array<const char*, xds::kEndings> kReasons{"ConnectionError", "Error", "Reconnect",
                                                            "Complete"};
  out.family("istio_xds_connection_terminations_total",
             "The total number of completed connections to the xDS server.", Type::kCounter);
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    out.sample(label("reason", kReasons[i]), status.endings[i]);
  }
  out.family("istio_xds_message_total", "The total number of xDS messages received.",
             Type::kCounter);
  for (const auto& [url, count] : status.received) out.sample(label("url", url), count.messages);
  out.family("istio_xds_message_bytes_total",
             "The total number of bytes in xDS resources received.", Type::kCounter);
  for (const auto& [url, count] : status.received) out.sample(label("url", url), count.bytes);
  out.family("culvert_xds_nacks_total", "xDS responses of which a resource was rejected.",
             Type::kCounter);
  out.sample("", status.nacks);
  out.family("culvert_xds_connected", "1 while an xDS stream is open.", Type::kGauge);
  out.sample("", std::uint64_t{status.connected ? 1U : 0U});
}

}  // namespace culvert::proxy
