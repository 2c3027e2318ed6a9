// A connection to an edge: plain TCP, of a client outside the mesh. HTTP is all that is served.
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "culvert/proxy/sockets.hpp"
#include "waypoint/entry/entry.hpp"
#include "waypoint/entry/first_bytes.hpp"
#include "waypoint/entry/protocol.hpp"
#include "waypoint/entry/serve_http.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

Task<> serve(Worker* worker, const Arrival* arrival, UniqueFd fd) {
  proxy::SocketEnd end(fd.get());
  FirstBytes first;
  const auto& limits = worker->server_options();
  auto until = io::in(limits.idle_timeout);
  while (first.speaks == http::Detected::kMore) {
    const bool silent = first.bytes.empty();
    const auto read = co_await read_first_bytes(&end, &first, io::in(kLameDuck));
    if (silent && !first.bytes.empty()) until = io::in(limits.head_timeout);  // a head has begun
    if (!read || first.ended || worker->draining() || worker->loop().now() > until) break;
  }
  if (first.bytes.empty()) co_return;  // it asked nothing
  const auto speaks = decide_protocol(declared_at(*worker->view()->mesh, *arrival), first.speaks);
  (void)co_await serve_http(
      worker, arrival, version_of(speaks),
      std::make_unique<ReadBytes>(std::move(first.bytes),
                                  std::make_unique<io::FdStream>(std::move(fd))));
}

}  // namespace

io::Scope::Child serve_edge(Worker* worker, UniqueFd fd, SocketAddress peer) {
  const Admitted place(*worker);
  proxy::Report report(worker->reporter(), telemetry::Direction::kWaypoint);
  report.record.source_address = peer;
  const auto dialed = proxy::local_address(fd.get());
  if (!dialed) co_return report.fail(dialed.error());
  report.record.destination_address = *dialed;
  Arrival arrival;
  arrival.client.address = peer;
  arrival.gateway = kAtEdge;
  arrival.destination = *dialed;
  if (const auto self = co_await worker->self(io::in(kSelfWait)); !self) {
    proxy::reset_on_close(fd.get());
    co_return report.fail(self.error());
  }
  proxy::LiveEntry live(worker->live(), report, proxy::Path::kWaypoint);
  live.network_fd = fd.get();
  const auto verdict = worker->authorize(live, nullptr, peer.ip, *dialed);
  if (!verdict.allowed) {
    proxy::reset_on_close(fd.get());
    co_return report.deny(verdict);
  }
  live.scope.spawn(
      [](Worker* w, const Arrival* a, UniqueFd f) -> Task<> { co_await serve(w, a, std::move(f)); },
      worker, &arrival, std::move(fd));
  co_await live.scope.join();
  if (live.was_cut()) co_return live.tell(report, std::nullopt);
  report.dismiss();  // its requests report for themselves
}

}  // namespace culvert::waypoint
