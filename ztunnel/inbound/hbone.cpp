#include "culvert/h2/connection.hpp"
#include "culvert/proxy/accept_tls.hpp"
#include "culvert/proxy/live_tunnels.hpp"
#include "culvert/proxy/sockets.hpp"
#include "ztunnel/inbound/connect.hpp"
#include "ztunnel/inbound/inbound.hpp"
#include "ztunnel/worker/dial.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

io::Scope::Child serve_hbone(Worker* worker, LocalPod* pod, UniqueFd fd, SocketAddress peer) {
  const Admitted place(*worker, *pod, bpf::ListenerKind::kHbone);
  // A tunnel that fails before its first CONNECT is one failed connection in log and metrics.
  proxy::Report report(worker->reporter(), telemetry::Direction::kInbound);
  report.record.source_address = peer;
  report.record.destination = pod->unresolved;
  const auto dialed = proxy::local_address(fd.get());
  if (!dialed) co_return report.fail(dialed.error());
  report.record.destination_address = *dialed;
  const auto workload = co_await worker->workload_of(*pod->pod, io::in(kWorkloadWait));
  if (!workload) {
    proxy::reset_on_close(fd.get());
    co_return report.fail(workload.error());
  }
  report.record.destination = worker->parties().of(*workload);
  auto stream = co_await proxy::accept_tls(&pod->tunnel_owner, (*workload)->identity().to_string(),
                                           std::move(fd));
  if (!stream) co_return report.fail(stream.error());
  const auto identity = mesh::Identity::parse((*stream)->peer()->identity);
  if (!identity) {
    co_return report.fail(
        Error{ErrorCode::kIdentity, Origin::kClient, 0, "the peer's SPIFFE id is no workload's"});
  }
  report.dismiss();

  const tls::PeerCertificate certificate = *(*stream)->peer();
  const InboundTunnel tunnel{
      .worker = worker,
      .pod = pod,
      .certificate = certificate,
      .peer_identity = *identity,
      .nobody = telemetry::Party{.namespace_name = identity->ns, .identity = certificate.identity},
      .peer = peer,
      .local_ip = dialed->ip,
      .fd = (*stream)->fd()};
  io::Scope streams;
  auto options = h2::Options::server();
  options.budget = &pod->bytes;
  const auto connection = h2::Connection::server(
      std::move(*stream), options,
      [&](h2::Stream request) { streams.spawn(serve_connect, &tunnel, std::move(request)); });
  report.record.source = source_of(tunnel, peer.ip);
  const Measured measured(worker->measured(), tunnel.fd, report.record);
  pod->arrived.insert(connection.get());
  if (worker->draining()) connection->drain();
  const proxy::TunnelEntry live(worker->live_tunnels(), certificate, *connection);
  const auto ended = co_await connection->run();
  pod->arrived.erase(connection.get());
  if (!ended) proxy::log_tunnel_end(tunnel.peer_identity, peer, ended.error());
  co_await streams.join();
}

}  // namespace culvert::ztunnel
