#include "culvert/proxy/tunnel_pool.hpp"

#include <algorithm>

#include "culvert/base/log.hpp"
#include "culvert/proxy/limits.hpp"
#include "culvert/tls/stream.hpp"

namespace culvert::proxy {

using io::Task;

namespace {

// Where the peer lets us: as many as our own servers announce. A tunnel takes 27 KiB.
constexpr std::uint32_t kStreamsPerTunnel = 200;
constexpr int kMaxStreamTries = 3;  // a draining peer may refuse streams that were on their way

Error from_upstream(Error error) {
  if (error.code != ErrorCode::kCancelled) error.origin = Origin::kUpstream;
  return error;
}

std::unexpected<Error> refused_by_status(std::string_view status) {
  if (status == "401" || status == "403") {
    return fail(ErrorCode::kDenied, "CONNECT was refused by the peer's policy", Origin::kUpstream);
  }
  if (status == "503") {
    return fail(ErrorCode::kRefused, "the peer could not reach the application", Origin::kUpstream);
  }
  return fail(ErrorCode::kProtocol, "CONNECT was answered with another status", Origin::kUpstream);
}

}  // namespace

std::size_t TunnelPool::tunnels() const {
  std::size_t count = 0;
  for (const auto& [key, entry] : entries_) count += entry.tunnels.size();
  return count;
}

void TunnelPool::drain() {
  for (const auto& [key, entry] : entries_) {
    for (const auto& tunnel : entry.tunnels) tunnel->connection->drain();
  }
}

void TunnelPool::forget(const Key& key, const Tunnel& tunnel) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  std::erase_if(found->second.tunnels, [&](const auto& t) { return t.get() == &tunnel; });
  if (found->second.tunnels.empty() && found->second.attempt == nullptr) entries_.erase(found);
}

// Another tunnel to the same workload has room for new connections.
bool TunnelPool::is_spare(const Key& key, const Tunnel& tunnel) const {
  const auto found = entries_.find(key);
  return found != entries_.end() && std::ranges::any_of(found->second.tunnels, [&](const auto& t) {
           return t.get() != &tunnel && t->connection->can_open();
         });
}

// An unused tunnel is closed after a while, soon if it is spare; the fiber ends with the tunnel's
// run().
Task<> TunnelPool::close_when_idle(const Key* key, const Tunnel* tunnel) {
  while (true) {
    const bool idle = tunnel->connection->active_streams() == 0;
    const bool spare = is_spare(*key, *tunnel);
    const auto timeout = spare ? kSpareTunnelTimeout : kTunnelIdleTimeout;
    const auto now = io::Loop::current().now();
    const auto idle_since = idle ? tunnel->connection->idle_since() : now;
    if (idle && now - idle_since >= timeout) {
      tunnel->connection->drain();
      co_return;
    }
    // A busy one looks again soon: when it is idle it may be spare.
    const auto next = idle ? idle_since + timeout : now + kSpareTunnelTimeout;
    if (!co_await io::sleep_until(next)) co_return;
  }
}

Task<> TunnelPool::run(Key key, std::shared_ptr<Tunnel> tunnel) {
  io::Scope idle;
  idle.spawn([](TunnelPool* self, const Key* k,
                const Tunnel* t) -> Task<> { co_await self->close_when_idle(k, t); },
             this, &key, tunnel.get());
  const auto ended = co_await tunnel->connection->run();
  if (!ended && ended.error().code != ErrorCode::kCancelled) {
    log::debug("tunnel to {}: {}", key.second.to_string(), ended.error().to_string());
  }
  forget(key, *tunnel);
  idle.request_stop();
  co_await idle.join();
}

Task<Result<std::shared_ptr<Tunnel>>> TunnelPool::make(const mesh::Route& route,
                                                       const mesh::Workload& source) {
  auto credentials =
      co_await owner_.credentials_of(source.identity().to_string(), io::in(kCertificateWait));
  if (!credentials) co_return std::unexpected(credentials.error());
  tls::Expected expected;
  expected.revoked = owner_.revoked();
  for (const auto& identity : route.expected_identities) {
    expected.identities.push_back(identity.to_string());
  }
  auto place = owner_.take_place();
  if (place == nullptr) {
    co_return fail(ErrorCode::kLimit, "no room for a tunnel's descriptor");
  }
  auto tunnel = std::make_shared<Tunnel>();
  auto fd = co_await owner_.dial(route.next_hop, io::in(kDialTimeout));
  if (!fd) co_return std::unexpected(fd.error());
  auto session = tls::Session::client(credentials->client, std::move(expected));
  if (!session) co_return std::unexpected(session.error());
  auto stream = std::make_unique<tls::Stream>(std::move(*fd), std::move(*session));
  if (auto shaken = co_await stream->handshake(io::in(kHandshakeTimeout)); !shaken) {
    owner_.note_handshake_failure(shaken.error());
    co_return std::unexpected(from_upstream(shaken.error()));
  }
  // Revoked while the handshake was under way.
  const auto current =
      tls::check_revoked(stream->peer()->chain, owner_.revoked(), Origin::kUpstream);
  if (!current) {
    owner_.note_handshake_failure(current.error());
    co_return std::unexpected(current.error());
  }
  tunnel->peer = *stream->peer();
  tunnel->fd = stream->fd();
  auto options = h2::Options::client();
  options.max_streams = kStreamsPerTunnel;
  options.budget = &owner_.stream_bytes();
  place->connected(tunnel->fd, source, *route.workload);
  tunnel->place = std::move(place);
  tunnel->connection = h2::Connection::client(std::move(stream), options);
  tunnel->live.emplace(owner_.live_tunnels(), tunnel->peer, *tunnel->connection);
  co_return tunnel;
}

// A fiber of the owner's, not of whoever asked first: others wait for it too, and may stay when
// that one goes away.
Task<> TunnelPool::attempt(Key key, mesh::Route route, mesh::Workload source,
                           std::shared_ptr<Attempt> attempt) {
  auto made = co_await make(route, source);
  Entry& entry = entries_[key];
  entry.attempt.reset();
  attempt->finished = true;
  if (made) {
    attempt->tunnel = *made;
    entry.tunnels.push_back(*made);
    // What only making it needed is gone while it lasts.
    owner_.fibers().spawn(
        [](TunnelPool* self, Key k, std::shared_ptr<Tunnel> tunnel) -> Task<> {
          co_await self->run(std::move(k), std::move(tunnel));
        },
        this, std::move(key), std::move(*made));
  } else {
    attempt->failure = made.error();
    if (entry.tunnels.empty()) entries_.erase(key);
  }
  attempt->done.notify();
}

Task<Result<std::shared_ptr<Tunnel>>> TunnelPool::find_or_make(const mesh::Route& route,
                                                               const mesh::Workload& source,
                                                               io::Deadline deadline) {
  const Key key{route.workload->uid, route.next_hop};
  while (true) {
    if (owner_.fibers().stopping()) co_return fail(ErrorCode::kCancelled, "open a tunnel");
    Entry& entry = entries_[key];
    for (const auto& tunnel : entry.tunnels) {
      if (tunnel->connection->can_open()) co_return tunnel;
    }
    const bool first = entry.attempt == nullptr;
    if (first) {
      entry.attempt = std::make_shared<Attempt>();
      owner_.fibers().spawn(
          [](TunnelPool* self, Key k, mesh::Route r, mesh::Workload s,
             std::shared_ptr<Attempt> a) -> Task<> {
            co_await self->attempt(std::move(k), std::move(r), std::move(s), std::move(a));
          },
          this, key, route, source, entry.attempt);
    }
    const auto attempt = entry.attempt;  // shared: it may be gone from the entry when we wake
    while (!attempt->finished) {
      if (auto woken = co_await attempt->done.wait(deadline); !woken) {
        co_return std::unexpected(from_upstream(woken.error()));
      }
    }
    if (attempt->failure) co_return std::unexpected(*attempt->failure);
    if (first) co_return attempt->tunnel;
  }
}

Task<Result<OpenedStream>> TunnelPool::connect(const mesh::Route& route,
                                               const mesh::Workload& source, h2::Headers request,
                                               io::Deadline deadline) {
  for (int tries = 1;; ++tries) {
    auto tunnel = co_await find_or_make(route, source, deadline);
    if (!tunnel) co_return std::unexpected(tunnel.error());
    auto stream = (*tunnel)->connection->open(request, false);
    if (!stream) {
      // Its last place was taken, or it began to drain, while we waited.
      if (tries < kMaxStreamTries) continue;
      co_return std::unexpected(from_upstream(stream.error()));
    }
    auto response = co_await stream->response(std::min(deadline, io::in(kConnectResponseTimeout)));
    if (owner_.draining()) (*tunnel)->connection->drain();  // made after the others were told
    if (!response) {
      if (response.error().code == ErrorCode::kRefused && tries < kMaxStreamTries) continue;
      // Not CANCEL, which the peer takes for the application's end of stream (stream_end.hpp).
      stream->reset(h2::kConnectError);
      co_return std::unexpected(from_upstream(response.error()));
    }
    const std::string* status = h2::find(**response, ":status");
    if (status == nullptr || *status != "200") {
      co_return refused_by_status(status == nullptr ? "" : *status);
    }
    stream->forget_headers();
    co_return OpenedStream{std::move(*tunnel), std::move(*stream)};
  }
}

}  // namespace culvert::proxy
