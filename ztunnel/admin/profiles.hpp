// /debug/pprof: where the CPU time goes, and what is known of the heap.
#pragma once

#include "culvert/admin/http_server.hpp"
#include "culvert/telemetry/cpu_profiler.hpp"
#include "ztunnel/admin/admin.hpp"

namespace culvert::ztunnel {

/// ?seconds=1..300 (10) & frequency=1..1000 (100): waits so long and answers a gzip'd
/// profile.proto. 400 for other values, 409 while another profile is taken, 503 when the process
/// ends meanwhile.
admin::Response cpu_profile_page(telemetry::CpuProfiler& profiler, const admin::Request& request);

/// Text: what the allocator says (mallinfo2(3), malloc_info(3)), what the kernel says, and what the
/// parts with a budget account for. It names no call sites.
admin::Response heap_page(const Observed& observed);
/// What was allocated since the profiler was activated and is in use, as pprof; 409 when it is not
/// active.
admin::Response heap_profile_page();
/// `activate=true` or `false`.
admin::Response heap_profiling_page(const admin::Request& request);

}  // namespace culvert::ztunnel
