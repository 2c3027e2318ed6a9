#include "waypoint/exchange/mirror.hpp"

#include "culvert/io/loop.hpp"
#include "waypoint/exchange/upstream_head.hpp"

namespace culvert::waypoint {
namespace {

/// What a mirrored request needs of its exchange, which may be over before it.
struct Mirrored {
  ExchangeContext* context;
  ViewPtr view;  // keeps the cluster
  const l7::Cluster* cluster;
  ClusterStatePtr state;
  Client client;
  IpAddress like;  // of whose family an address is preferred
  http::RequestHead head;
  std::uint32_t waypoints_before;
  HttpVersion version;
  std::shared_ptr<MirrorFeed> feed;
  io::Clock::duration timeout;

  /// Of what is done now. As of the request itself, the time begins when that is whole; until then
  /// no single step may take longer.
  io::Deadline deadline() const {
    return later(feed->finished_at().value_or(io::Loop::current().now()), timeout);
  }
};

/// The body, as the exchange feeds it. False: it will not be whole, or upstream does not take it.
io::Task<bool> send_body(Mirrored& mirrored, ClientExchange& upstream) {
  auto& feed = *mirrored.feed;
  while (true) {
    if (feed.given_up()) co_return false;
    if (!feed.empty()) {
      const auto part = feed.take();
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(part.data());
      if (!co_await upstream.write_body({bytes, part.size()}, mirrored.deadline())) co_return false;
      continue;
    }
    if (feed.finished()) break;
    // The exchange puts in what comes, finishes it or gives it up.
    if (!co_await feed.changed().wait(io::kNoDeadline)) co_return false;
  }
  co_return (co_await upstream.finish(feed.trailers(), mirrored.deadline())).has_value();
}

/// To the answer's end, so that the connection can serve another request.
io::Task<> discard_answer(ClientExchange& upstream, io::Deadline deadline) {
  while (true) {
    const auto head = co_await upstream.read_head(deadline);
    if (!head) co_return;
    if (!(*head)->informational()) break;
  }
  while (true) {
    const auto part = co_await upstream.read_body(deadline);
    if (!part || part->empty()) co_return;
  }
}

io::Task<> serve_mirror(std::shared_ptr<Mirrored> mirrored) {
  auto& state = *mirrored->state;
  const auto now =
      std::chrono::duration_cast<l7::Time>(io::Loop::current().now().time_since_epoch());
  auto host = state.pick({}, mirrored->context->random(), now);
  if (!host || !may_go_to(*host, mirrored->waypoints_before) || !state.admits_request()) {
    mirrored->feed->give_up();
    co_return;
  }
  set_waypoints_passed(*host, mirrored->waypoints_before, mirrored->head.fields);
  const HostLease lease(mirrored->state, host);
  const Endpoint endpoint = endpoint_of(*host, mirrored->like);
  const auto& pool = state.policy().pool;
  auto opened = co_await mirrored->context->connections().open(
      {endpoint, mirrored->version, false, mirrored->client, pool, state.quota()},
      mirrored->deadline());
  if (opened) {
    auto& upstream = **opened;
    const bool body = mirrored->head.body.present;
    const bool sent = upstream.send_head(mirrored->head, !body).has_value();
    if (sent && (!body || co_await send_body(*mirrored, upstream))) {
      co_await discard_answer(upstream, mirrored->deadline());
    }
  }
  mirrored->feed->give_up();
}

}  // namespace

void start_mirrors(Exchange& x, RequestBody& body) {
  if (!x.client.request().upgrade.empty()) return;
  for (const auto& chosen : x.decision.mirrors) {
    auto& context = x.context;
    if (context.mirrors().size() >= kMaxMirrors) {
      ++context.counts.mirrors_given_up;
      continue;
    }
    auto head = x.memory->outgoing;
    head.authority = l7::shadow_authority(head.authority);
    const auto timeout =
        x.times.timeout.count() > 0 ? io::Clock::duration(x.times.timeout) : kMirrorTimeout;
    auto state = context.clusters().find(*chosen.cluster, *x.view);
    const auto version = upstream_version(x, chosen.cluster, state->policy());
    auto mirrored = std::make_shared<Mirrored>(
        Mirrored{&context, x.view, chosen.cluster, std::move(state), x.arrival.client,
                 x.arrival.destination.ip, std::move(head), x.waypoints_before, version,
                 std::make_shared<MirrorFeed>(context), timeout});
    if (x.client.request().body.present) {
      body.mirror_to(mirrored->feed);
    } else {
      mirrored->feed->finish({});
    }
    context.mirrors().spawn(serve_mirror, std::move(mirrored));
  }
}

}  // namespace culvert::waypoint
