// /debug/pprof/heap: what is known of the heap. The CPU profile:
// culvert/admin/cpu_profile_page.hpp.
#pragma once

#include "culvert/admin/http_server.hpp"
#include "ztunnel/admin/admin.hpp"

namespace culvert::ztunnel {

/// Text: what the allocator says (mallinfo2(3), malloc_info(3)), what the kernel says, and what the
/// parts with a budget account for. It names no call sites.
admin::Response heap_page(const Observed& observed);
/// What was allocated since the profiler was activated and is in use, as pprof; 409 when it is not
/// active.
admin::Response heap_profile_page();
/// `activate=true` or `false`.
admin::Response heap_profiling_page(const admin::Request& request);

}  // namespace culvert::ztunnel
