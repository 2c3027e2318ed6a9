#include "ztunnel/admin/profiles.hpp"

#include <fmt/format.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>

#include "culvert/telemetry/heap_profiler.hpp"
#include "culvert/telemetry/process_metrics.hpp"
#include "ztunnel/admin/collect.hpp"

namespace culvert::ztunnel {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";

// The XML of malloc_info(3).
std::string allocator_details() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = ::open_memstream(&text, &size);
  if (file == nullptr) return "";
  ::malloc_info(0, file);
  std::fclose(file);
  std::string out(text, size);
  std::free(text);
  return out;
}

}  // namespace

admin::Response heap_profile_page() {
  auto profile = telemetry::HeapProfiler::profile();
  if (!profile) {
    return admin::error_response(409, "allocations are not sampled",
                                 "POST /debug/pprof/heap/profiling?activate=true; what is known "
                                 "without that is at GET /debug/pprof/heap?debug=1");
  }
  return {.status = 200,
          .body = std::move(*profile),
          .content_type = "application/octet-stream",
          .headers = {{"Content-Disposition", "attachment; filename=\"heap.pb.gz\""}},
          .compressed = true};
}

admin::Response heap_profiling_page(const admin::Request& request) {
  const auto asked = request.query.find("activate");
  const std::string wish = asked == request.query.end() ? "" : asked->second;
  if (wish == "false") {
    telemetry::HeapProfiler::deactivate();
    return {200, "allocations are not sampled\n", kText};
  }
  if (wish != "true") {
    return admin::error_response(400, "activate is true or false",
                                 "POST /debug/pprof/heap/profiling?activate=true");
  }
  if (auto active = telemetry::HeapProfiler::activate(); !active)
    return admin::error_response(503, active.error().to_string(), "ask again");
  return {200, "allocations are sampled from now on\n", kText};
}

admin::Response heap_page(const Observed& observed) {
  const auto heap = ::mallinfo2();
  const auto open = collect_now(*observed.workers, *observed.metrics);
  std::string out = fmt::format(
      "# What is known of the heap without sampling allocations.\n\n"
      "heap_in_use_bytes {}\nheap_free_bytes {}\nheap_arena_bytes {}\nheap_mapped_bytes {}\n"
      "heap_mapped_blocks {}\nheap_releasable_bytes {}\n\n",
      heap.uordblks + heap.hblkhd, heap.fordblks, heap.arena, heap.hblkhd, heap.hblks,
      heap.keepcost);
  out += fmt::format("# Accounted for by its owner.\nstream_buffers_bytes {}\nlabel_sets {}\n",
                     observed.budget->used_bytes(), observed.metrics->size());
  if (open) {
    out += fmt::format("connections {}\nopen_accepted_sockets {}\n", open->connections,
                       open->outbound_sockets + open->inbound_sockets);
  }
  telemetry::PrometheusText process;
  telemetry::render_process(process);
  out += "\n# The process.\n" + process.take() + "\n# malloc_info(3).\n" + allocator_details();
  return {200, std::move(out), kText};
}

}  // namespace culvert::ztunnel
