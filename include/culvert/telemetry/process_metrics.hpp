// What the kernel says of this process, under the names that every Prometheus client uses.
#pragma once

#include "culvert/telemetry/prometheus_text.hpp"

namespace culvert::telemetry {

/// process_open_fds, process_max_fds, process_threads, process_cpu_seconds_total,
/// process_resident_memory_bytes, process_virtual_memory_bytes and process_start_time_seconds, read
/// from /proc/self (proc(5)). A value that cannot be read is left out. Any thread.
void render_process(PrometheusText& out);

}  // namespace culvert::telemetry
