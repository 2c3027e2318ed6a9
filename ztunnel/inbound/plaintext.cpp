#include "culvert/mesh/policy.hpp"
#include "culvert/proxy/limits.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "culvert/proxy/sockets.hpp"
#include "ztunnel/inbound/inbound.hpp"
#include "ztunnel/worker/dial.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

namespace {

// A client outside the mesh has no identity; what is known of its address goes to telemetry only.
void fill_parties(proxy::Report& report, Worker& worker, const mesh::WorkloadPtr& destination,
                  const IpAddress& client) {
  report.record.destination = worker.parties().of(destination);
  const auto source = worker.snapshot()->workload_at({worker.settings().network, client});
  if (source != nullptr) report.record.source = worker.parties().of(source);
}

}  // namespace

io::Scope::Child serve_plaintext(Worker* worker, LocalPod* pod, UniqueFd accepted,
                                 SocketAddress peer) {
  const Admitted place(*worker, *pod, bpf::ListenerKind::kPlaintext);
  const int fd = accepted.get();
  proxy::Report report(worker->reporter(), telemetry::Direction::kInbound);
  report.record.source_address = peer;
  report.record.destination = pod->unresolved;
  const auto fail = [&](const Error& error) {
    proxy::reset_on_close(fd);
    report.fail(error);
  };

  // Steered by sk_lookup, the socket's own address is what the client dialed.
  const auto dialed = proxy::local_address(fd);
  if (!dialed) co_return fail(dialed.error());
  report.record.destination_address = *dialed;
  if (dialed->ip.is_loopback()) {
    co_return fail(
        Error{ErrorCode::kSelfCall, Origin::kClient, 0, "the listener itself was dialed"});
  }

  const auto workload = co_await worker->workload_of(*pod->pod, io::in(kWorkloadWait));
  if (!workload) co_return fail(workload.error());
  fill_parties(report, *worker, *workload, peer.ip);

  proxy::LiveEntry live(worker->live(), report, proxy::Path::kInboundPlain);
  live.decided_by = std::make_unique<proxy::Decided>(*workload, nullptr, nullptr, peer.ip, *dialed,
                                                     worker->settings().waypoint_bypass);
  const auto verdict = proxy::decide(*worker->snapshot(), *live.decided_by).verdict;
  if (!verdict.allowed) {
    proxy::reset_on_close(fd);
    co_return report.deny(verdict);
  }

  auto server =
      co_await dial(worker->maps(), *pod->pod, *dialed, peer, io::in(proxy::kDialTimeout));
  if (!server) co_return fail(server.error());
  live.network_fd = fd;
  const Measured measured(worker->measured(), fd, report.record);
  live.app_fd = server->get();
  report.open(&live.bytes);
  proxy::SocketEnd client(fd);
  proxy::SocketEnd app(server->get());
  live.tell(report, co_await proxy::relay(&client, &app, &live.bytes, &live.scope));
}

}  // namespace culvert::ztunnel
