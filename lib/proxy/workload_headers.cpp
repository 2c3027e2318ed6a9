#include "culvert/proxy/workload_headers.hpp"

#include <array>
#include <random>

namespace culvert::proxy {
namespace {

// In the order of mesh::WorkloadType.
constexpr std::array kTypeNames{"deployment", "cronjob", "pod", "job"};

hbone::TraceParent new_trace() {
  thread_local std::mt19937_64 random(std::random_device{}());
  const auto a = random(), b = random(), c = random();
  return hbone::TraceParent::from_random(a, b, c);
}

}  // namespace

telemetry::Trace trace_of(const std::optional<hbone::TraceParent>& carried) {
  const auto parent = carried ? *carried : new_trace();
  return {parent.trace_id, parent.parent_id, parent.flags};
}

hbone::Baggage baggage_of(const mesh::Workload& w) {
  hbone::Baggage out;
  out.cluster = w.cluster_id;
  out.namespace_name = w.ns;
  out.workload_type = kTypeNames[static_cast<std::size_t>(w.workload_type)];
  out.workload = w.workload_name.empty() ? w.name : w.workload_name;
  out.service = w.canonical_name;
  out.revision = w.canonical_revision;
  out.region = w.locality.region;
  out.zone = w.locality.zone;
  return out;
}

}  // namespace culvert::proxy
