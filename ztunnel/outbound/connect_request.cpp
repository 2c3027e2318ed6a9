#include "ztunnel/outbound/connect_request.hpp"

#include "culvert/proxy/workload_headers.hpp"

namespace culvert::ztunnel {

h2::Headers connect_request(const mesh::Workload& source, const mesh::Route& route,
                            const SocketAddress& client, const telemetry::Trace& trace) {
  hbone::ConnectRequest request;
  request.authority.target = route.target;
  request.baggage = proxy::baggage_of(source);
  request.forwarded =
      hbone::Forwarded{client, route.service == nullptr ? "" : route.service->hostname};
  request.traceparent = hbone::TraceParent{trace.id, trace.span, trace.flags};
  // An address as authority cannot be malformed.
  return *hbone::build_connect(request);
}

}  // namespace culvert::ztunnel
