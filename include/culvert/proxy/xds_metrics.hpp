// What Prometheus is told of the link to control. Any thread.
#pragma once

#include "culvert/telemetry/prometheus_text.hpp"
#include "culvert/xds/client.hpp"

namespace culvert::proxy {

/// istio_xds_connection_terminations_total, istio_xds_message_total,
/// istio_xds_message_bytes_total, culvert_xds_nacks_total, culvert_xds_connected.
void render_xds(telemetry::PrometheusText& out, const xds::ClientStatus& status);

}  // namespace culvert::proxy
