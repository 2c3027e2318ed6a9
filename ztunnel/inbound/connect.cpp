#include "ztunnel/inbound/connect.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "culvert/hbone/headers.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/proxy/limits.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/parties.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "culvert/proxy/sockets.hpp"
#include "culvert/proxy/stream_end.hpp"
#include "culvert/proxy/workload_headers.hpp"
#include "ztunnel/outbound/connect_request.hpp"
#include "ztunnel/worker/dial.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

namespace {

void answer(h2::Stream& stream, int status, const mesh::Workload* destination) {
  hbone::ConnectResponse response{status, {}};
  if (destination != nullptr) response.baggage = proxy::baggage_of(*destination);
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

void fill_service(proxy::Report& report, proxy::Parties& parties, const mesh::Snapshot& snapshot,
                  const hbone::ConnectRequest& request, const mesh::Workload& destination) {
  if (!request.forwarded || request.forwarded->host.empty()) return;
  for (const auto& [key, ports] : destination.services) {
    const auto service = snapshot.service(key);
    if (service == nullptr || service->hostname != request.forwarded->host) continue;
    report.record.service = parties.of(service);
    return;
  }
}

}  // namespace

telemetry::Shared<telemetry::Party> source_of(const InboundTunnel& tunnel, const IpAddress& ip) {
  Worker& worker = *tunnel.worker;
  const auto known = worker.snapshot()->workload_at({worker.settings().network, ip});
  const bool same = known != nullptr && known->identity() == tunnel.peer_identity;
  return same ? worker.parties().of(known, tunnel.certificate.identity) : tunnel.nobody;
}

namespace {

/// What a CONNECT asks for.
struct Asked {
  SocketAddress client;  // that the application is shown
  SocketAddress target;
  std::optional<hbone::OriginalSource> source;         // whom the peer says that it speaks for
  std::unique_ptr<const mesh::Arriving::Claim> claim;  // the same, as decisions have it
};

// kInvalid where the identity is no workload's: then the waypoint, or who plays it, is broken.
Result<std::unique_ptr<const mesh::Arriving::Claim>> claim_of(
    const std::optional<hbone::OriginalSource>& source) {
  if (!source) return nullptr;
  auto identity = mesh::Identity::parse(source->identity);
  if (!identity) {
    return fail(ErrorCode::kInvalid, "x-culvert-source names no workload", Origin::kClient);
  }
  return std::make_unique<const mesh::Arriving::Claim>(std::move(*identity), source->address.ip);
}

// Reads the request, which is not needed any more afterwards, and fills the record from it.
Result<Asked> read_request(const InboundTunnel& tunnel, const mesh::WorkloadPtr& workload,
                           h2::Stream& stream, proxy::Report& report) {
  Worker& worker = *tunnel.worker;
  auto request = hbone::parse_connect(stream.request());
  stream.forget_headers();
  if (!request) return std::unexpected(request.error());
  auto claim = claim_of(request->source);
  if (!claim) return std::unexpected(claim.error());
  const SocketAddress client = client_address(tunnel, *request);
  report.record.source_address = client;
  report.record.trace = proxy::trace_of(request->traceparent);
  const auto target =
      local_target(*worker.snapshot(), *workload, tunnel.local_ip, request->authority);
  if (!target) return std::unexpected(target.error());
  report.record.destination = worker.parties().of(workload, workload->identity().to_string());
  report.record.destination_address = *target;
  report.record.hbone_address = *target;
  report.record.source = source_of(tunnel, client.ip);
  fill_service(report, worker.parties(), *worker.snapshot(), *request, *workload);
  return Asked{client, *target, std::move(request->source), std::move(*claim)};
}

// The waypoint in force is believed: the connection is its client's from here on.
void speak_for_client(const InboundTunnel& tunnel, Asked& asked, const mesh::Connection& decided,
                      telemetry::ConnectionRecord& record) {
  Worker& worker = *tunnel.worker;
  const SocketAddress& client = asked.source->address;
  const auto known = worker.snapshot()->workload_at({worker.settings().network, client.ip});
  const bool same = known != nullptr && known->identity() == *decided.source;
  record.via =
      std::exchange(record.source,
                    same ? worker.parties().of(known, asked.source->identity)
                         : telemetry::Shared(telemetry::Party{.namespace_name = decided.source->ns,
                                                              .identity = asked.source->identity}));
  record.source_address = client;
  // An application cannot be shown a peer of another family than its socket's.
  if (client.ip.is_v4() == asked.target.ip.is_v4()) asked.client = client;
}

/// The application that was reached, and the connection's registration.
struct Reached {
  std::unique_ptr<proxy::LiveEntry> live;
  UniqueFd app;
};

// Everything before the relay: named phases, each with its own failure, which is answered and
// reported here. Its frame is gone while the connection lasts.
io::Task<std::optional<Reached>> reach_application(const InboundTunnel* tunnel, h2::Stream* stream,
                                                   proxy::Report* report) {
  Worker& worker = *tunnel->worker;
  mesh::WorkloadPtr workload;
  const auto refuse = [&](int status, const Error& error) {
    answer(*stream, status, workload.get());
    report->fail(error);
    return std::nullopt;
  };

  auto found = co_await worker.workload_of(*tunnel->pod->pod, io::in(kWorkloadWait));
  if (!found) co_return refuse(503, found.error());
  workload = std::move(*found);
  auto asked = read_request(*tunnel, workload, *stream, *report);
  if (!asked) co_return refuse(400, asked.error());

  auto live =
      std::make_unique<proxy::LiveEntry>(worker.live(), *report, proxy::Path::kInboundTunnel);
  live->peer_certificate = &tunnel->certificate.sha256;
  live->decided_by = std::make_unique<proxy::Decided>(
      workload, nullptr, &tunnel->peer_identity, tunnel->peer.ip, asked->target,
      worker.settings().waypoint_bypass, std::move(asked->claim));
  {
    const auto admission = proxy::decide(*worker.snapshot(), *live->decided_by);
    if (admission.asked.via) speak_for_client(*tunnel, *asked, admission.asked, report->record);
    if (!admission.verdict.allowed) {
      answer(*stream, 401, workload.get());
      report->deny(admission.verdict);
      co_return std::nullopt;
    }
  }

  auto app = co_await dial(worker.maps(), *tunnel->pod->pod, asked->target, asked->client,
                           io::in(proxy::kDialTimeout));
  if (!app) co_return refuse(503, app.error());
  if (live->was_cut()) {
    proxy::reset_on_close(app->get());  // no end of stream that nobody sent
    answer(*stream, live->cut == proxy::Cut::kPolicy ? 401 : 503, workload.get());
    live->tell(*report, std::nullopt);
    co_return std::nullopt;
  }
  live->app_fd = app->get();
  live->network_fd = tunnel->fd;
  answer(*stream, 200, workload.get());
  report->open(&live->bytes);
  co_return Reached{std::move(live), std::move(*app)};
}

}  // namespace

io::Scope::Child serve_connect(const InboundTunnel* tunnel, h2::Stream stream) {
  Worker& worker = *tunnel->worker;
  proxy::Report report(worker.reporter(), telemetry::Direction::kInbound);
  report.record.source_address = tunnel->peer;
  report.record.mutual_tls = true;
  if (!worker.has_room(*tunnel->pod, 1, Role::kServer)) {
    answer(stream, 503, nullptr);
    co_return report.fail(
        Error{ErrorCode::kLimit, Origin::kLocal, 0, "the pod holds its share of descriptors"});
  }
  const DescriptorLease lease(worker.descriptors(), tunnel->pod->descriptors, 1);
  const auto reached = co_await reach_application(tunnel, &stream, &report);
  if (!reached) co_return;
  proxy::LiveEntry& live = *reached->live;
  proxy::StreamEnd source(stream);
  proxy::SocketEnd destination(reached->app.get());
  live.tell(report, co_await proxy::relay(&source, &destination, &live.bytes, &live.scope));
}

}  // namespace culvert::ztunnel
