#include "ztunnel/outbound/outbound.hpp"

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
using telemetry::Direction;

namespace {

/// What is known once the destination is resolved.
struct Resolved {
  mesh::WorkloadPtr source;
  SocketAddress original;  // what the application asked for
  mesh::Route route;
};

void fill_source(telemetry::ConnectionRecord& record, const mesh::Workload& source) {
  record.source = party_of(source);
  record.source.identity = source.identity().to_string();
}

void fill_destination(telemetry::ConnectionRecord& record, const Resolved& resolved) {
  const auto& route = resolved.route;
  record.original_address = resolved.original;
  record.destination_address = route.next_hop;
  if (route.protocol == mesh::Route::Protocol::kHbone) record.hbone_address = route.target;
  if (route.workload != nullptr) record.destination = party_of(*route.workload);
  if (route.service != nullptr) {
    record.service = route.service->hostname;
    record.service_namespace = route.service->ns;
    record.service_name = route.service->name;
  }
}

Task<Result<Resolved>> resolve(Worker* worker, LocalPod* pod, int fd) {
  const auto original = worker->maps().original_destination(fd);
  if (!original) co_return std::unexpected(original.error());
  if (!*original) co_return fail(ErrorCode::kSelfCall, "no original destination", Origin::kClient);
  auto source = co_await worker->workload_of(*pod->pod, io::in(kWorkloadWait));
  if (!source) co_return std::unexpected(source.error());
  auto route =
      mesh::resolve_destination(*worker->snapshot(), **original, **source, worker->round_robin());
  if (!route) co_return std::unexpected(route.error());
  co_return Resolved{std::move(*source), **original, std::move(*route)};
}

// Not in the mesh, or plaintext by policy: a plain connection from the pod's own namespace.
Task<> relay_plain(Worker* worker, LocalPod* pod, int fd, const Resolved* resolved,
                   Report* report) {
  LiveEntry live(worker->live(), *report, Path::kPlain);
  live.app_fd = fd;
  auto upstream = co_await dial(worker->maps(), *pod->pod, resolved->route.next_hop, std::nullopt,
                                io::in(kDialTimeout));
  if (!upstream) {
    reset_on_close(fd);
    co_return report->fail(upstream.error());
  }
  live.network_fd = upstream->get();
  const Measured measured(worker->measured(), upstream->get(), report->record);
  report->open(&live.bytes);
  SocketEnd app(fd);
  SocketEnd peer(upstream->get());
  live.tell(*report, co_await relay(&app, &peer, &live.bytes, &live.scope));
}

// Both pods are on this node: authorized as at the tunnel's far end, then joined in process. The
// identity needs no certificate here: the agent handed us both namespaces.
Task<> relay_joined(Worker* worker, std::shared_ptr<LocalPod> destination, int fd,
                    SocketAddress peer, const Resolved* resolved, Report* report) {
  const auto& route = resolved->route;
  report->record.destination_address = route.target;
  report->record.hbone_address.reset();
  report->record.destination.identity = route.workload->identity().to_string();
  report->record.mutual_tls = true;
  Report inbound(worker->reporter(), Direction::kInbound);
  inbound.record = report->record;
  inbound.record.direction = Direction::kInbound;

  LiveEntry live(worker->live(), *report, Path::kJoined);
  live.app_fd = fd;
  live.decided_by = Decided{
      route.workload, resolved->source, {resolved->source->identity(), peer.ip, route.target}};
  const auto verdict =
      mesh::authorize(*worker->snapshot(), *route.workload, live.decided_by->question);
  if (!verdict.allowed) {
    reset_on_close(fd);
    inbound.deny(verdict.policy, mesh::to_string(verdict.reason));
    co_return report->deny(verdict.policy, mesh::to_string(verdict.reason));
  }
  const Guest guest(destination, live.scope);
  auto upstream =
      co_await dial(worker->maps(), *destination->pod, route.target, peer, io::in(kDialTimeout));
  if (!upstream) {
    reset_on_close(fd);
    inbound.fail(upstream.error());
    co_return report->fail(upstream.error());
  }
  inbound.open(&live.bytes);
  report->open(&live.bytes);
  SocketEnd app(fd);
  SocketEnd server(upstream->get());
  const auto failure = co_await relay(&app, &server, &live.bytes, &live.scope);
  live.tell(*report, failure);
  live.tell(inbound, failure);
}

// Another node, or sameNode encrypt: one CONNECT stream in a pooled tunnel.
Task<> relay_tunneled(Worker* worker, LocalPod* pod, int fd, SocketAddress peer,
                      const Resolved* resolved, Report* report) {
  report->record.mutual_tls = true;
  LiveEntry live(worker->live(), *report, Path::kTunnel);
  live.app_fd = fd;
  auto stream = co_await pod->tunnels.connect(
      resolved->route, *resolved->source,
      connect_request(*resolved->source, resolved->route, peer, *report->record.trace));
  if (!stream) {
    reset_on_close(fd);
    co_return report->fail(stream.error());
  }
  report->record.destination.identity = stream->peer_identity;
  live.peer_certificate = stream->tunnel->peer.sha256;
  live.has_peer_certificate = true;
  live.network_fd = stream->tunnel->fd;
  report->open(&live.bytes);
  SocketEnd app(fd);
  StreamEnd tunnel(stream->stream);
  live.tell(*report, co_await relay(&app, &tunnel, &live.bytes, &live.scope));
}

// The destination's pod when it is on this node and may be joined.
std::shared_ptr<LocalPod> joinable(Worker& worker, const mesh::Route& route) {
  const bool joins = worker.settings().same_node == SameNode::kJoin;
  if (!mesh::joins_in_process(route, worker.settings().node, joins)) return nullptr;
  return worker.find_pod(route.workload->ns, route.workload->name);
}

}  // namespace

Task<> serve_outbound(Worker* worker, LocalPod* pod, int fd, SocketAddress peer) {
  Report report(worker->reporter(), Direction::kOutbound);
  report.record.source_address = peer;
  report.record.source.pod = pod->pod->name;
  report.record.source.namespace_name = pod->pod->ns;

  const auto resolved = co_await resolve(worker, pod, fd);
  if (!resolved) {
    reset_on_close(fd);
    co_return report.fail(resolved.error());
  }
  fill_source(report.record, *resolved->source);
  fill_destination(report.record, *resolved);
  if (resolved->route.protocol == mesh::Route::Protocol::kHbone) {
    report.record.trace = trace_of(std::nullopt);
  }

  auto destination = joinable(*worker, resolved->route);
  if (destination != nullptr) {
    co_await relay_joined(worker, std::move(destination), fd, peer, &*resolved, &report);
  } else if (resolved->route.protocol == mesh::Route::Protocol::kHbone) {
    co_await relay_tunneled(worker, pod, fd, peer, &*resolved, &report);
  } else {
    co_await relay_plain(worker, pod, fd, &*resolved, &report);
  }
}

}  // namespace culvert::ztunnel
