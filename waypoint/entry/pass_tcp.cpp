#include "waypoint/entry/pass_tcp.hpp"

#include "culvert/mesh/route.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "culvert/proxy/stream_end.hpp"
#include "waypoint/entry/first_bytes.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

using io::Task;

Result<Endpoint> choose_tcp_endpoint(Worker& worker, const Arrival& arrival) {
  if (arrival.service == nullptr) return Endpoint{arrival.workload, arrival.destination};
  auto chosen =
      mesh::choose_endpoint(*worker.view()->mesh, *arrival.service, arrival.destination.port,
                            arrival.destination.ip, worker.round_robin());
  if (!chosen) return std::unexpected(chosen.error());
  return Endpoint{std::move(chosen->workload), chosen->address};
}

Task<Result<Upstream>> open_tcp(Worker* worker, const Arrival* arrival, proxy::Report* report) {
  const auto endpoint = choose_tcp_endpoint(*worker, *arrival);
  if (!endpoint) co_return std::unexpected(endpoint.error());
  report->record.destination_address = endpoint->address;
  if (endpoint->workload != nullptr) {
    report->record.destination = worker->parties().of(endpoint->workload);
  }
  auto upstream = co_await worker->tunnel_dialer().open(*endpoint, arrival->client, {});
  if (upstream) {
    if (const auto* stream = std::get_if<proxy::OpenedStream>(&*upstream)) {
      report->record.destination =
          worker->parties().of(endpoint->workload, stream->tunnel->peer.identity);
    }
  }
  co_return upstream;
}

namespace {

template <class Source>
Task<std::optional<Error>> join(Source* source, Upstream* upstream, proxy::LiveEntry* live) {
  if (auto* plain = std::get_if<PlainSocket>(upstream)) {
    live->app_fd = plain->fd.get();
    proxy::SocketEnd destination(plain->fd.get());
    co_return co_await proxy::relay(source, &destination, &live->bytes, &live->scope);
  }
  auto& opened = std::get<proxy::OpenedStream>(*upstream);
  live->app_fd = opened.tunnel->fd;
  proxy::StreamEnd destination(opened.stream);
  co_return co_await proxy::relay(source, &destination, &live->bytes, &live->scope);
}

}  // namespace

Task<> relay_tcp(h2::Stream* client, std::string first, Upstream upstream, proxy::Report* report,
                 proxy::LiveEntry* live) {
  report->open(&live->bytes);
  proxy::StreamEnd stream(*client);
  ReadEnd source(stream, std::move(first));
  live->tell(*report, co_await join(&source, &upstream, live));
}

Task<Undecided> relay_undecided(h2::Stream* client, std::string first, Upstream upstream,
                                proxy::Report* report, proxy::LiveEntry* live) {
  report->open(&live->bytes);
  proxy::StreamEnd stream(*client);
  UndecidedEnd undecided(stream, first);
  ReadEnd source(undecided, std::move(first));
  const auto failure = co_await join(&source, &upstream, live);
  if (undecided.turned() == Turned::kNot) {
    live->tell(*report, failure);
    co_return Undecided{};
  }
  report->finish();
  co_return Undecided{undecided.turned(), undecided.take_first()};
}

}  // namespace culvert::waypoint
