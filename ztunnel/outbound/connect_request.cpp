#include "ztunnel/outbound/connect_request.hpp"

#include <array>
#include <random>

namespace culvert::ztunnel {
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

h2::Headers connect_request(const mesh::Workload& source, const mesh::Route& route,
                            const SocketAddress& client, const telemetry::Trace& trace) {
  hbone::ConnectRequest request;
  request.authority.target = route.target;
  request.baggage = baggage_of(source);
  request.forwarded =
      hbone::Forwarded{client, route.service == nullptr ? "" : route.service->hostname};
  request.traceparent = hbone::TraceParent{trace.id, trace.span, trace.flags};
  // An address as authority cannot be malformed.
  return *hbone::build_connect(request);
}

}  // namespace culvert::ztunnel
