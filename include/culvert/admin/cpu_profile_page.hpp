// GET /debug/pprof/profile of ztunnels and waypoints: where the CPU time goes.
#pragma once

#include "culvert/admin/http_server.hpp"
#include "culvert/telemetry/cpu_profiler.hpp"

namespace culvert::admin {

/// ?seconds=1..300 (10) & frequency=1..1000 (100): waits so long and answers a gzip'd
/// profile.proto. 400 for other values, 409 while another profile is taken, 503 when the process
/// ends meanwhile.
Response cpu_profile_page(telemetry::CpuProfiler& profiler, const Request& request);

}  // namespace culvert::admin
