// A tunnel of a ztunnel: from accept to its end.
#include "culvert/h2/connection.hpp"
#include "culvert/proxy/accept_tls.hpp"
#include "culvert/proxy/live_tunnels.hpp"
#include "culvert/proxy/sockets.hpp"
#include "waypoint/entry/entry.hpp"
#include "waypoint/entry/tunnel.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {
namespace {

// GOAWAY; the streams that there are go on.
class DrainTunnel final : public Drainable {
 public:
  explicit DrainTunnel(h2::Connection& connection) : connection_(connection) {}
  void drain(bool) override { connection_.drain(); }

 private:
  h2::Connection& connection_;
};

}  // namespace

io::Scope::Child serve_hbone(Worker* worker, UniqueFd fd, SocketAddress peer) {
  const Admitted place(*worker);
  // A tunnel that fails before its first CONNECT is one failed connection in log and metrics.
  proxy::Report report(worker->reporter(), telemetry::Direction::kWaypoint);
  report.record.source_address = peer;
  const auto dialed = proxy::local_address(fd.get());
  if (!dialed) co_return report.fail(dialed.error());
  report.record.destination_address = *dialed;
  auto stream =
      co_await proxy::accept_tls(worker, worker->settings().identity().to_string(), std::move(fd));
  if (!stream) co_return report.fail(stream.error());
  const auto identity = mesh::Identity::parse((*stream)->peer()->identity);
  if (!identity) {
    co_return report.fail(
        Error{ErrorCode::kIdentity, Origin::kClient, 0, "the peer's SPIFFE id is no workload's"});
  }
  report.dismiss();

  const tls::PeerCertificate certificate = *(*stream)->peer();
  const ArrivedTunnel tunnel{worker, certificate, *identity, peer, (*stream)->fd()};
  io::Scope streams;
  auto options = h2::Options::server();
  options.budget = &worker->stream_bytes();
  const auto connection = h2::Connection::server(
      std::move(*stream), options,
      [&](h2::Stream request) { streams.spawn(serve_connect, &tunnel, std::move(request)); });
  DrainTunnel drainable(*connection);
  const DrainEntry entry(*worker, drainable);
  if (worker->draining()) connection->drain();
  const proxy::TunnelEntry live(worker->live_tunnels(), certificate, *connection);
  const auto ended = co_await connection->run();
  if (!ended) proxy::log_tunnel_end(tunnel.peer_identity, peer, ended.error());
  co_await streams.join();
}

}  // namespace culvert::waypoint
