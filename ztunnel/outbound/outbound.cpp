#include "ztunnel/outbound/outbound.hpp"

#include <memory>
#include <string>
#include <vector>

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

using io::Task;
using telemetry::Direction;

namespace {

/// What is known once the destination is resolved. Setting up needs it; what is left of it while
/// the connection lasts is in its record.
struct Resolved {
  mesh::WorkloadPtr source;
  SocketAddress original;  // what the application asked for
  mesh::Route route;
};
using ResolvedPtr = std::unique_ptr<const Resolved>;

void fill_record(telemetry::ConnectionRecord& record, proxy::Parties& parties,
                 const Resolved& resolved) {
  const auto& route = resolved.route;
  record.source = parties.of(resolved.source, resolved.source->identity().to_string());
  record.original_address = resolved.original;
  record.destination_address = route.next_hop;
  if (route.workload != nullptr) record.destination = parties.of(route.workload);
  if (route.service != nullptr) record.service = parties.of(route.service);
  if (route.protocol == mesh::Route::Protocol::kHbone) {
    record.hbone_address = route.target;
    record.trace = proxy::trace_of(std::nullopt);
  }
}

/// A connection while it is served: what all that serve it need.
struct Captured {
  Captured(Worker& its_worker, LocalPod& its_pod, int socket, const SocketAddress& application)
      : worker(its_worker),
        pod(its_pod),
        fd(socket),
        report(worker.reporter(), Direction::kOutbound) {
    report.record.source_address = application;
    report.record.source = pod.unresolved;
  }
  // The application learns of a failure by RST.
  void fail(const Error& error) {
    proxy::reset_on_close(fd);
    report.fail(error);
  }

  Worker& worker;
  LocalPod& pod;
  const int fd;  // the application's side
  proxy::Report report;
};

Task<Result<ResolvedPtr>> resolve(Captured* captured) {
  Worker& worker = captured->worker;
  const auto original = worker.maps().original_destination(captured->fd);
  if (!original) co_return std::unexpected(original.error());
  if (!*original) co_return fail(ErrorCode::kSelfCall, "no original destination", Origin::kClient);
  auto source = co_await worker.workload_of(*captured->pod.pod, io::in(kWorkloadWait));
  if (!source) co_return std::unexpected(source.error());
  auto route =
      mesh::resolve_destination(*worker.snapshot(), **original, **source, worker.round_robin());
  if (!route) co_return std::unexpected(route.error());
  auto out = std::make_unique<const Resolved>(std::move(*source), **original, std::move(*route));
  fill_record(captured->report.record, worker.parties(), *out);
  co_return out;
}

constexpr Error kNoRoom{ErrorCode::kLimit, Origin::kLocal, 0,
                        "the pod holds its share of descriptors"};

// Not in the mesh, or plaintext by policy: a plain connection from the pod's own namespace.
Task<> relay_plain(Captured* captured, ResolvedPtr resolved) {
  auto& [worker, pod, fd, report] = *captured;
  proxy::LiveEntry live(worker.live(), report, proxy::Path::kPlain);
  live.app_fd = fd;
  if (!worker.has_room(pod, 1, Role::kClient)) co_return captured->fail(kNoRoom);
  const DescriptorLease lease(worker.descriptors(), pod.descriptors, 1);
  const auto upstream = co_await dial(worker.maps(), *pod.pod, resolved->route.next_hop,
                                      std::nullopt, io::in(proxy::kDialTimeout));
  resolved.reset();
  if (!upstream) co_return captured->fail(upstream.error());
  live.network_fd = upstream->get();
  const Measured measured(worker.measured(), upstream->get(), report.record);
  report.open(&live.bytes);
  proxy::SocketEnd app(fd);
  proxy::SocketEnd peer(upstream->get());
  live.tell(report, co_await proxy::relay(&app, &peer, &live.bytes, &live.scope));
}

// Both pods are on this node: authorized as at the tunnel's far end, then joined in process. The
// identity needs no certificate here: the agent handed us both namespaces.
Task<> relay_joined(Captured* captured, std::shared_ptr<LocalPod> destination,
                    ResolvedPtr resolved) {
  auto& [worker, pod, fd, report] = *captured;
  const SocketAddress client = report.record.source_address;
  const SocketAddress target = resolved->route.target;
  const mesh::WorkloadPtr& workload = resolved->route.workload;
  report.record.destination_address = target;
  report.record.hbone_address.reset();
  report.record.destination = worker.parties().of(workload, workload->identity().to_string());
  report.record.mutual_tls = true;
  proxy::Report inbound(worker.reporter(), Direction::kInbound);
  inbound.record = report.record;
  inbound.record.direction = Direction::kInbound;

  proxy::LiveEntry live(worker.live(), report, proxy::Path::kJoined);
  live.app_fd = fd;
  live.decided_by = std::make_unique<proxy::Decided>(workload, resolved->source, nullptr, client.ip,
                                                     target, worker.settings().waypoint_bypass);
  resolved.reset();
  const auto verdict = proxy::decide(*worker.snapshot(), *live.decided_by).verdict;
  if (!verdict.allowed) {
    proxy::reset_on_close(fd);
    inbound.deny(verdict);
    co_return report.deny(verdict);
  }
  const Guest guest(destination, live.scope);
  if (!worker.has_room(pod, 1, Role::kClient)) {
    inbound.fail(kNoRoom);
    co_return captured->fail(kNoRoom);
  }
  const DescriptorLease lease(worker.descriptors(), pod.descriptors, 1);
  const auto upstream =
      co_await dial(worker.maps(), *destination->pod, target, client, io::in(proxy::kDialTimeout));
  if (!upstream) {
    inbound.fail(upstream.error());
    co_return captured->fail(upstream.error());
  }
  inbound.open(&live.bytes);
  report.open(&live.bytes);
  proxy::SocketEnd app(fd);
  proxy::SocketEnd server(upstream->get());
  const auto failure = co_await proxy::relay(&app, &server, &live.bytes, &live.scope);
  live.tell(report, failure);
  live.tell(inbound, failure);
}

/// Replicas of a waypoint that one connection is tried at.
constexpr std::size_t kWaypointTries = 3;

// One that drains, is gone or out of reach is not the only one; what the peer decided stands.
bool another_replica_may_do(const Error& error) {
  return error.origin == Origin::kUpstream && error.code != ErrorCode::kDenied &&
         error.code != ErrorCode::kProtocol && error.code != ErrorCode::kInvalid;
}

// What only setting up needs is gone when this has ended. Nothing of the connection has been sent
// while it has no stream, so that another replica of a waypoint can have it, as the mesh knows them
// by then.
Task<Result<proxy::OpenedStream>> open_stream(Captured* captured, ResolvedPtr resolved) {
  auto& [worker, pod, fd, report] = *captured;
  std::vector<std::string> tried;
  while (true) {
    const auto& [source, original, route] = *resolved;
    auto request =
        connect_request(*source, route, report.record.source_address, *report.record.trace);
    auto stream = co_await pod.tunnels.connect(route, *source, std::move(request));
    if (stream) {
      const auto& identity = stream->tunnel->peer.identity;
      report.record.destination = worker.parties().of(route.workload, identity);
      co_return stream;
    }
    tried.push_back(route.workload->uid);
    const bool again = route.via_waypoint && another_replica_may_do(stream.error());
    if (!again || tried.size() == kWaypointTries) co_return stream;
    auto other = mesh::resolve_destination(*worker.snapshot(), original, *source,
                                           worker.round_robin(), tried);
    if (!other || !other->via_waypoint) co_return stream;
    resolved = std::make_unique<const Resolved>(source, original, std::move(*other));
    fill_record(report.record, worker.parties(), *resolved);
  }
}

// Another node, or sameNode encrypt: one CONNECT stream in a pooled tunnel, which has the
// descriptor on the network's side.
Task<> relay_tunneled(Captured* captured, ResolvedPtr resolved) {
  proxy::Report& report = captured->report;
  report.record.mutual_tls = true;
  proxy::LiveEntry live(captured->worker.live(), report, proxy::Path::kTunnel);
  live.app_fd = captured->fd;
  auto stream = co_await open_stream(captured, std::move(resolved));
  if (!stream) co_return captured->fail(stream.error());
  live.peer_certificate = &stream->tunnel->peer.sha256;
  live.network_fd = stream->tunnel->fd;
  report.open(&live.bytes);
  proxy::SocketEnd app(captured->fd);
  proxy::StreamEnd tunnel(stream->stream);
  live.tell(report, co_await proxy::relay(&app, &tunnel, &live.bytes, &live.scope));
}

// The destination's pod when it is on this node and may be joined.
std::shared_ptr<LocalPod> joinable(Worker& worker, const mesh::Route& route) {
  const bool joins = worker.settings().same_node == SameNode::kJoin;
  if (!mesh::joins_in_process(route, worker.settings().node, joins)) return nullptr;
  return worker.find_pod(route.workload->ns, route.workload->name);
}

}  // namespace

io::Scope::Child serve_outbound(Worker* worker, LocalPod* pod, UniqueFd fd, SocketAddress peer) {
  const Admitted place(*worker, *pod, bpf::ListenerKind::kOutbound);
  Captured captured(*worker, *pod, fd.get(), peer);
  auto resolved = co_await resolve(&captured);
  if (!resolved) co_return captured.fail(resolved.error());

  const auto& route = (*resolved)->route;
  if (auto destination = joinable(*worker, route); destination != nullptr) {
    co_await relay_joined(&captured, std::move(destination), std::move(*resolved));
  } else if (route.protocol == mesh::Route::Protocol::kHbone) {
    co_await relay_tunneled(&captured, std::move(*resolved));
  } else {
    co_await relay_plain(&captured, std::move(*resolved));
  }
}

}  // namespace culvert::ztunnel
