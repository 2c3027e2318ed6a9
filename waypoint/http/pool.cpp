#include "waypoint/http/pool.hpp"

#include <algorithm>
#include <cassert>
#include <unordered_map>
#include <utility>

#include "culvert/io/loop.hpp"
#include "culvert/io/scope.hpp"
#include "waypoint/http/pool_connections.hpp"
#include "waypoint/http/pool_waiter.hpp"

namespace culvert::waypoint {
namespace {

using Opened = Result<std::unique_ptr<ClientExchange>>;

ClientOptions options_of(const l7::ConnectionPool& limits, const PoolOptions& pool) {
  ClientOptions options;
  options.limits = pool.limits;
  options.budget = pool.budget;
  options.idle_timeout = limits.idle_timeout;
  options.max_duration = limits.max_connection_duration;
  options.max_requests = limits.max_requests_per_connection;
  options.max_streams = limits.max_concurrent_streams;
  if (limits.ping) {
    options.ping_interval = limits.ping->interval;
    options.ping_timeout = limits.ping->timeout;
  }
  return options;
}

/// A stream that its exchange has let go may end a little later, and a peer may raise its limit:
/// nobody tells who waits for a stream.
constexpr std::chrono::milliseconds kStreamCheck{50};

io::Deadline next_look(const PoolHost& host, io::Deadline deadline) {
  if (host.key.version == HttpVersion::kHttp1) return deadline;
  return std::min(deadline, io::Loop::current().now() + kStreamCheck);
}

}  // namespace

class HttpPool::Impl final : public IdleConnections {
 public:
  Impl(Dialer& dialer, PoolOptions options) : dialer_(dialer), options_(options) {}

  std::unique_ptr<ClientExchange> try_open(const UpstreamRequest& request);
  io::Task<Opened> open(const UpstreamRequest& request, io::Deadline deadline);
  void retire(const Endpoint& endpoint);
  io::Task<> close();
  Counts counts() const { return {connections_, idle_.size(), opened_, reused_}; }
  bool empty() const { return connections_ == 0 && fibers_.empty(); }
  bool yield_idle_of(ClusterQuota& quota) override;

 private:
  /// A connection, and where the pool hears of it.
  struct Member final : PooledConnection, ClientConnection::Owner {
    explicit Member(Impl& of) : pool(of) {}
    void connection_changed(ClientConnection&) override { pool.changed(*this); }
    Impl& pool;
  };

  PoolHost& host_of(const UpstreamRequest& request);
  void forget_unused(PoolHost& host);
  std::unique_ptr<ClientExchange> take(PoolHost& host, bool websocket);
  bool take_place(const PoolHost& host, const UpstreamRequest& request, PoolWaiter& waiter);
  PooledConnection* idle_of(const ClusterQuota& quota) const;
  bool make_room();
  io::Task<Result<void>> connect(PoolHost& host, const UpstreamRequest& request,
                                 io::Deadline deadline);
  io::Task<Opened> wait_turn(PoolHost& host, const UpstreamRequest& request, io::Deadline deadline);
  io::Task<Result<void>> make_ready(Member& member, io::Deadline deadline);
  void fail_waiters(const PoolHost& host, const ClusterQuota& quota, const Error& why);
  static io::Scope::Child run_connection(Impl* self, Member* member);

  void changed(Member& member);
  void set_idle(PooledConnection& member, bool idle);
  void uncount(PooledConnection& member);
  void erase(Member& member);

  Dialer& dialer_;
  const PoolOptions options_;
  std::unordered_map<PoolKey, std::unique_ptr<PoolHost>, PoolKeyHash, PoolKeyEqual> hosts_;
  std::list<PooledConnection*> idle_;  // of all hosts, longest first
  std::size_t connections_ = 0;        // open, or being opened
  std::uint64_t opened_ = 0;
  std::uint64_t reused_ = 0;
  io::Scope fibers_;
};

PoolHost& HttpPool::Impl::host_of(const UpstreamRequest& request) {
  const auto key = PoolKeyView::of(request);
  if (const auto found = hosts_.find(key); found != hosts_.end()) return *found->second;
  return *hosts_.emplace(PoolKey(key), std::make_unique<PoolHost>(key)).first->second;
}

void HttpPool::Impl::forget_unused(PoolHost& host) {
  if (!host.unused()) return;
  const auto found = hosts_.find(host.key.view());
  if (found != hosts_.end()) hosts_.erase(found);
}

std::unique_ptr<ClientExchange> HttpPool::Impl::try_open(const UpstreamRequest& request) {
  const auto found = hosts_.find(PoolKeyView::of(request));
  // Who came first is served first.
  if (found == hosts_.end() || found->second->waiting > 0) return nullptr;
  return take(*found->second, request.websocket);
}

io::Task<Opened> HttpPool::Impl::open(const UpstreamRequest& request, io::Deadline deadline) {
  if (auto taken = try_open(request)) co_return taken;
  PoolHost& host = host_of(request);
  if (!request.quota->take_pending(request.limits.max_pending_requests)) {
    forget_unused(host);
    co_return fail(ErrorCode::kLimit, "too many requests wait for a connection");
  }
  auto opened = co_await wait_turn(host, request, deadline);
  forget_unused(host);
  co_return opened;
}

// By what one of its connections has announced (RFC 8441): another would say the same.
bool takes_no_websockets(const PoolHost& host) {
  if (host.key.version != HttpVersion::kHttp2) return false;
  return std::ranges::any_of(host.connections, [](const PooledConnection* one) {
    return !one->pinned && !one->connection->over() && !one->connection->takes_websockets();
  });
}

std::unexpected<Error> no_websockets() {
  return fail(ErrorCode::kInvalid, "the upstream takes no websockets over HTTP/2");
}

io::Task<Opened> HttpPool::Impl::wait_turn(PoolHost& host, const UpstreamRequest& request,
                                           io::Deadline deadline) {
  PoolWaiter waiter(host, *request.quota);
  while (true) {
    if (request.websocket && takes_no_websockets(host)) co_return no_websockets();
    const bool connects = take_place(host, request, waiter);
    if (connects) {
      waiter.woken = true;  // it waits for its own connection: nobody else's wakes it
      const auto connected = co_await connect(host, request, deadline);
      if (!connected) co_return std::unexpected(connected.error());
    } else if (!waiter.woken) {
      const auto woken = co_await waiter.event.wait(next_look(host, deadline));
      const bool looks = !woken && woken.error().code == ErrorCode::kTimeout &&
                         io::Loop::current().now() < deadline;
      if (waiter.failure) co_return std::unexpected(*waiter.failure);
      if (!woken && !looks) {
        if (waiter.woken) request.quota->pass_on(request.to.address);  // for who needs it
        co_return std::unexpected(woken.error());
      }
    }
    waiter.woken = false;
    if (auto taken = take(host, request.websocket)) {
      if (host.key.version == HttpVersion::kHttp2) (void)wake_one(*request.quota, &host);
      co_return taken;
    }
    if (connects && request.websocket) co_return no_websockets();
    if (connects) {
      co_return fail(ErrorCode::kRefused, "the upstream takes no such request", Origin::kUpstream);
    }
  }
}

std::unique_ptr<ClientExchange> HttpPool::Impl::take(PoolHost& host, bool websocket) {
  PooledConnection* found = nullptr;
  if (host.key.version == HttpVersion::kHttp1) {
    if (!host.idle.empty()) found = host.idle.back();
  } else {
    for (auto* one : host.connections) {
      if (one->pinned) continue;  // its first stream is for who makes it
      const bool fits = !websocket || one->connection->takes_websockets();
      if (fits && one->connection->can_open()) found = one;
    }
  }
  if (found == nullptr) return nullptr;
  set_idle(*found, false);
  if (found->connection->served() > 0) ++reused_;
  return found->connection->open();
}

// A cluster's bound holds for all of its endpoints together, but each may have one connection; one
// that is idle for another client, at another endpoint, or on another worker, makes room. True: the
// place is the new connection's.
bool HttpPool::Impl::take_place(const PoolHost& host, const UpstreamRequest& request,
                                PoolWaiter& waiter) {
  const bool http2 = host.key.version == HttpVersion::kHttp2;
  if (http2 && host.opening > 0) return false;  // who comes while one is being opened shares it
  ClusterQuota& quota = *request.quota;
  quota.idle = this;
  const ClusterQuota::Wanted wanted{&request.to.address, request.limits.max_connections, http2};
  if (quota.take(waiter, wanted)) return true;
  if (auto* idle = idle_of(quota)) {
    idle->connection->retire();
    if (quota.take(waiter, wanted)) return true;
  }
  return quota.take_or_wait(waiter, wanted);
}

PooledConnection* HttpPool::Impl::idle_of(const ClusterQuota& quota) const {
  const auto found = std::ranges::find_if(
      idle_, [&](const auto* one) { return one->quota.get() == &quota && !one->pinned; });
  return found != idle_.end() ? *found : nullptr;
}

bool HttpPool::Impl::yield_idle_of(ClusterQuota& quota) {
  auto* idle = idle_of(quota);
  if (idle == nullptr) return false;
  quota.yields();  // before the place is given back: to whom, is decided by that
  idle->connection->retire();
  return true;
}

// For the pool's own bound.
bool HttpPool::Impl::make_room() {
  if (connections_ < options_.max_connections) return true;
  if (idle_.empty()) return false;
  idle_.front()->connection->retire();
  return true;
}

io::Task<Result<void>> HttpPool::Impl::connect(PoolHost& host, const UpstreamRequest& request,
                                               io::Deadline deadline) {
  if (!make_room()) {
    request.quota->give_back(&request.to.address);
    co_return fail(ErrorCode::kLimit, "as many upstream connections as allowed");
  }
  auto member = std::make_unique<Member>(*this);
  member->host = &host;
  member->quota = request.quota;
  ++connections_;
  ++host.opening;

  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::max(deadline - io::Loop::current().now(), io::Clock::duration::zero()));
  DialOptions dial{std::min(request.limits.connect_timeout, left), request.limits.tcp_keepalive};
  auto stream = co_await dialer_.dial(request.to, request.client, dial);
  Result<void> ready;
  if (stream) {
    ++opened_;
    member->connection = ClientConnection::make(host.key.version, std::move(*stream),
                                                options_of(request.limits, options_), *member);
    host.connections.push_back(member.get());
    fibers_.spawn(&Impl::run_connection, this, member.get());
    ready = co_await make_ready(*member.release(), deadline);
  } else {
    ready = std::unexpected(stream.error());
    uncount(*member);
    --connections_;
  }
  --host.opening;
  // Who ran out of his own time says nothing of the connection: the next one tries.
  if (!ready && ready.error().code == ErrorCode::kTimeout &&
      io::Loop::current().now() >= deadline) {
    (void)wake_one(*request.quota, &host);
  } else if (!ready) {
    fail_waiters(host, *request.quota, ready.error());
  }
  co_return ready;
}

io::Task<Result<void>> HttpPool::Impl::make_ready(Member& member, io::Deadline deadline) {
  member.pinned = true;
  auto ready = co_await member.connection->ready(deadline);
  member.pinned = false;
  if (member.connection->over()) {
    if (ready) ready = fail(ErrorCode::kReset, "the new connection has ended", Origin::kUpstream);
    changed(member);  // it may be gone
  } else if (ready) {
    auto& connection = *member.connection;
    if (connection.can_open()) {
      set_idle(member, true);
    } else {
      connection.retire();  // the next request would find it useless too, and open another
    }
  } else if (ready.error().code != ErrorCode::kCancelled) {
    member.connection->retire();
  }
  co_return ready;
}

// Those that waited for one connection of HTTP/2 fail with it, as if it had been theirs.
void HttpPool::Impl::fail_waiters(const PoolHost& host, const ClusterQuota& quota,
                                  const Error& why) {
  if (host.key.version != HttpVersion::kHttp2 || why.code == ErrorCode::kCancelled) {
    (void)wake_one(quota, &host);  // the next one tries
    return;
  }
  for (PoolWaiter* waiter = quota.first_waiter; waiter != nullptr; waiter = waiter->next) {
    if (&waiter->host != &host || waiter->woken) continue;
    waiter->failure = why;
    waiter->wake();
  }
}

io::Scope::Child HttpPool::Impl::run_connection(Impl* self, Member* member) {
  co_await member->connection->run();
  member->run_ended = true;
  self->changed(*member);
}

void HttpPool::Impl::changed(Member& member) {
  ClientConnection& connection = *member.connection;
  const bool idle = connection.can_open() && connection.active() == 0;
  set_idle(member, idle);
  if (connection.over()) {
    uncount(member);
    if (member.run_ended && !member.pinned && connection.active() == 0) erase(member);
  } else if (connection.can_open()) {
    if (idle && !member.pinned && member.quota->should_yield()) {
      member.quota->yields();
      return connection.retire();
    }
    (void)wake_one(*member.quota, member.host);
    // Nobody of its host waits: another host's may want its place.
    if (idle && member.quota->first_waiter != nullptr && member.host->waiting == 0) {
      (void)wake_one(*member.quota, nullptr);
    }
  }
}

void HttpPool::Impl::set_idle(PooledConnection& member, bool idle) {
  if (idle == member.idle_place.has_value()) return;
  auto& of_host = member.host->idle;
  if (idle) {
    of_host.push_back(&member);
    member.idle_place = idle_.insert(idle_.end(), &member);
  } else {
    std::erase(of_host, &member);
    idle_.erase(*std::exchange(member.idle_place, std::nullopt));
  }
}

// As soon as it is over: its place is another's.
void HttpPool::Impl::uncount(PooledConnection& member) {
  if (!std::exchange(member.counted, false)) return;
  member.quota->give_back(&member.host->key.address);
}

void HttpPool::Impl::erase(Member& member) {
  PoolHost& host = *member.host;
  std::erase(host.connections, &member);
  --connections_;
  delete &member;
  forget_unused(host);
}

void HttpPool::Impl::retire(const Endpoint& endpoint) {
  for (const auto& [key, host] : hosts_) {
    const bool same = endpoint.workload == nullptr || key.uid == endpoint.workload->uid;
    if (!same || key.address != endpoint.address) continue;
    for (auto* one : host->connections) one->connection->retire();
  }
}

io::Task<> HttpPool::Impl::close() {
  fibers_.request_stop();
  co_await fibers_.join();
}

HttpPool::HttpPool(Dialer& dialer, PoolOptions options)
    : impl_(std::make_unique<Impl>(dialer, options)) {}
HttpPool::~HttpPool() {
  assert(impl_->empty() && "close() comes before the end, and exchanges before close()");
}
std::unique_ptr<ClientExchange> HttpPool::try_open(const UpstreamRequest& request) {
  return impl_->try_open(request);
}
io::Task<Opened> HttpPool::open(const UpstreamRequest& request, io::Deadline deadline) {
  return impl_->open(request, deadline);
}
void HttpPool::retire(const Endpoint& endpoint) {
  impl_->retire(endpoint);
}
io::Task<> HttpPool::close() {
  return impl_->close();
}
HttpPool::Counts HttpPool::counts() const {
  return impl_->counts();
}

}  // namespace culvert::waypoint
