#include "waypoint/entry/pass_tcp.hpp"

#include "culvert/l7/choose_service.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "culvert/proxy/stream_end.hpp"
#include "culvert/telemetry/exchange_end.hpp"
#include "waypoint/entry/first_bytes.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

using io::Task;
using telemetry::AttemptPhase;
using telemetry::ExchangeEnd;

namespace {

Result<Endpoint> next_in_turn(Worker& worker, const Arrival& arrival) {
  auto chosen =
      mesh::choose_endpoint(*worker.view()->mesh, *arrival.service, arrival.destination.port,
                            arrival.destination.ip, worker.round_robin());
  if (!chosen) return std::unexpected(chosen.error());
  return Endpoint{std::move(chosen->workload), chosen->address};
}

struct Chosen {
  Endpoint endpoint;
  DialOptions options;
};
/// Why a connection goes nowhere, and what that would be of a request.
struct NotChosen {
  NotChosen(const Error& why) : error(why), end(telemetry::end_of(why, AttemptPhase::kConnect)) {}
  NotChosen(const Error& why, ExchangeEnd as) : error(why), end(as) {}
  Error error;
  ExchangeEnd end;
};

std::expected<Chosen, NotChosen> choose(Worker& worker, const Arrival& arrival, TcpPlace& place) {
  if (arrival.service == nullptr) return Chosen{{arrival.workload, arrival.destination}, {}};
  l7::TargetView target;
  target.gateway = l7::kMesh;
  target.host = arrival.service->hostname;
  target.service_ns = arrival.service->ns;
  target.port = arrival.destination.port;
  const ViewPtr view = worker.view();
  const auto decision = l7::choose_service(*view->routes, target);
  if (decision.kind == l7::Decision::Kind::kRefused) {
    constexpr Error kWhy{ErrorCode::kNoUpstream, Origin::kLocal, 0,
                         "the service's DestinationRule was refused"};
    return std::unexpected(NotChosen(kWhy, ExchangeEnd::kConfigRefused));
  }
  if (decision.cluster == nullptr) {  // the table of routes does not know it, or not yet
    auto endpoint = next_in_turn(worker, arrival);
    if (!endpoint) return std::unexpected(endpoint.error());
    return Chosen{std::move(*endpoint), {}};
  }
  auto& exchanges = worker.exchanges();
  auto cluster = exchanges.clusters().find(*decision.cluster, *view);
  const auto now = std::chrono::duration_cast<l7::Time>(worker.loop().now().time_since_epoch());
  auto host = cluster->pick({}, exchanges.random(), now);
  if (!host) return fail(ErrorCode::kNoUpstream, "the service has no healthy endpoint");
  Chosen out{endpoint_of(*host, arrival.destination.ip), {}};
  const auto& pool = cluster->policy().pool;
  out.options = {pool.connect_timeout, pool.tcp_keepalive};
  if (!place.take(std::move(cluster), std::move(host))) {
    return fail(ErrorCode::kLimit, "as many connections as the service's DestinationRule allows");
  }
  return out;
}

/// As of a request that ends so, for the line of a connection that does.
void set_flag(telemetry::ConnectionRecord& record, ExchangeEnd end) {
  const auto flag = static_cast<telemetry::ExchangeFlag>(telemetry::info(end).flag);
  record.flag = telemetry::response_flag(telemetry::to_string(flag));
}

}  // namespace

Task<Result<Upstream>> open_tcp(Worker* worker, const Arrival* arrival, proxy::Report* report,
                                TcpPlace* place) {
  const auto chosen = choose(*worker, *arrival, *place);
  if (!chosen) {
    set_flag(report->record, chosen.error().end);
    co_return std::unexpected(chosen.error().error);
  }
  const auto& endpoint = chosen->endpoint;
  report->record.destination_address = endpoint.address;
  if (endpoint.workload != nullptr) {
    report->record.destination = worker->parties().of(endpoint.workload);
  }
  auto upstream = co_await worker->tunnel_dialer().open(endpoint, arrival->client, chosen->options);
  if (upstream) {
    place->tell_reached(true);
    if (const auto* stream = std::get_if<proxy::OpenedStream>(&*upstream)) {
      report->record.destination =
          worker->parties().of(endpoint.workload, stream->tunnel->peer.identity);
    }
    co_return upstream;
  }
  const auto& error = upstream.error();
  if (error.code != ErrorCode::kCancelled) {  // else it was our own stop
    set_flag(report->record, telemetry::end_of(error, AttemptPhase::kConnect));
  }
  if (error.origin == Origin::kUpstream && error.code != ErrorCode::kDenied) {
    place->tell_reached(false);  // nor is it the host's fault whom policy does not let in
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
