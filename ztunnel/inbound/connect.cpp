#include "ztunnel/inbound/connect.hpp"

#include <algorithm>
#include <utility>

#include "culvert/hbone/headers.hpp"
#include "culvert/mesh/policy.hpp"
#include "ztunnel/live/live_connections.hpp"
#include "ztunnel/outbound/connect_request.hpp"
#include "ztunnel/relay/relay.hpp"
#include "ztunnel/relay/socket_end.hpp"
#include "ztunnel/relay/stream_end.hpp"
#include "ztunnel/worker/dial.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

void answer(h2::Stream& stream, int status, const mesh::Workload* destination) {
  hbone::ConnectResponse response{status, {}};
  if (destination != nullptr) response.baggage = baggage_of(*destination);
  (void)stream.send_headers(hbone::build_response(response), status != 200);
}

// The address inside this pod that a target means: one of the pod's own addresses, or a service
// that this pod serves. kInvalid for anything else: this ztunnel is nobody's open proxy.
Result<SocketAddress> local_target(const mesh::Snapshot& snapshot, const mesh::Workload& workload,
                                   const IpAddress& local_ip, const hbone::Authority& authority) {
  if (const SocketAddress* address = authority.address()) {
    const bool own = address->ip == local_ip ||
                     std::ranges::find(workload.addresses, address->ip) != workload.addresses.end();
    if (!own)
      return fail(ErrorCode::kInvalid, "CONNECT to an address of another pod", Origin::kClient);
    if (address->port == mesh::kHbonePort) {
      return fail(ErrorCode::kSelfCall, "CONNECT to the tunnel's own port", Origin::kClient);
    }
    return *address;
  }
  const auto& named = *authority.host();
  for (const auto& [key, ports] : workload.services) {
    const auto service = snapshot.service(key);
    if (service == nullptr || service->hostname != named.host) continue;
    for (const auto& port : ports) {
      if (port.service_port == named.port && port.target_port != 0) {
        return SocketAddress{local_ip, port.target_port};
      }
    }
  }
  return fail(ErrorCode::kInvalid, "CONNECT to a service that this pod does not serve",
              Origin::kClient);
}

// The application is shown the client itself. Its address counts only when it is the tunnel's own:
// the header informs, the network decides. Its port is worth showing, the tunnel's is not.
SocketAddress client_address(const InboundTunnel& tunnel, const hbone::ConnectRequest& request) {
  const auto claimed = request.forwarded ? request.forwarded->source : std::nullopt;
  return claimed && claimed->ip == tunnel.peer.ip && claimed->port != 0 ? *claimed : tunnel.peer;
}

void fill_service(Report& report, const mesh::Snapshot& snapshot,
                  const hbone::ConnectRequest& request, const mesh::Workload& destination) {
  if (!request.forwarded || request.forwarded->host.empty()) return;
  for (const auto& [key, ports] : destination.services) {
    const auto service = snapshot.service(key);
    if (service == nullptr || service->hostname != request.forwarded->host) continue;
    report.record.service = service->hostname;
    report.record.service_namespace = service->ns;
    report.record.service_name = service->name;
    return;
  }
}

}  // namespace

telemetry::Party source_of(const InboundTunnel& tunnel, const IpAddress& ip) {
  const auto& worker = *tunnel.worker;
  telemetry::Party out;
  const auto known = worker.snapshot()->workload_at({worker.settings().network, ip});
  if (known != nullptr && known->identity() == tunnel.peer_identity) out = party_of(*known);
  out.identity = tunnel.peer_identity.to_string();
  out.namespace_name = tunnel.peer_identity.ns;
  return out;
}

Task<> serve_connect(const InboundTunnel* tunnel, h2::Stream stream) {
  Worker& worker = *tunnel->worker;
  const PodPtr pod = tunnel->pod->pod;
  Report report(worker.reporter(), telemetry::Direction::kInbound);
  report.record.source_address = tunnel->peer;
  report.record.mutual_tls = true;
  mesh::WorkloadPtr workload;
  const auto refuse = [&](int status, const Error& error) {
    answer(stream, status, workload.get());
    report.fail(error);
  };

  if (!worker.has_room(*tunnel->pod, 1)) {
    co_return refuse(
        503, Error{ErrorCode::kLimit, Origin::kLocal, 0, "the pod holds its share of descriptors"});
  }
  const DescriptorLease lease(worker.descriptors(), tunnel->pod->descriptors, 1);
  auto request = hbone::parse_connect(stream.request());
  stream.forget_headers();
  if (!request) co_return refuse(400, request.error());
  const SocketAddress client = client_address(*tunnel, *request);
  report.record.source_address = client;
  report.record.trace = trace_of(request->traceparent);

  auto found = co_await worker.workload_of(*pod, io::in(kWorkloadWait));
  if (!found) co_return refuse(503, found.error());
  workload = std::move(*found);
  const auto target =
      local_target(*worker.snapshot(), *workload, tunnel->local_ip, request->authority);
  if (!target) co_return refuse(400, target.error());
  report.record.destination = party_of(*workload);
  report.record.destination.identity = workload->identity().to_string();
  report.record.destination_address = *target;
  report.record.hbone_address = *target;
  report.record.source = source_of(*tunnel, client.ip);
  fill_service(report, *worker.snapshot(), *request, *workload);
  {
    const auto no_longer_needed = std::exchange(*request, {});
  }

  LiveEntry live(worker.live(), report, Path::kInboundTunnel);
  live.peer_certificate = tunnel->peer_certificate;
  live.has_peer_certificate = true;
  live.decided_by = Decided{workload, nullptr, {tunnel->peer_identity, tunnel->peer.ip, *target}};
  const auto verdict = mesh::authorize(*worker.snapshot(), *workload, live.decided_by->question);
  if (!verdict.allowed) {
    answer(stream, 401, workload.get());
    co_return report.deny(verdict.policy, mesh::to_string(verdict.reason));
  }

  auto app = co_await dial(worker.maps(), *pod, *target, client, io::in(kDialTimeout));
  if (!app) co_return refuse(503, app.error());
  if (live.was_cut()) {
    reset_on_close(app->get());  // no end of stream that nobody sent
    answer(stream, live.cut == Cut::kPolicy ? 401 : 503, workload.get());
    co_return live.tell(report, std::nullopt);
  }
  live.app_fd = app->get();
  live.network_fd = tunnel->fd;
  answer(stream, 200, workload.get());
  report.open(&live.bytes);
  StreamEnd source(stream);
  SocketEnd destination(app->get());
  live.tell(report, co_await relay(&source, &destination, &live.bytes, &live.scope));
}

}  // namespace culvert::ztunnel
