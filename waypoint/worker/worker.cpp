#include "waypoint/worker/worker.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <random>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/mesh/policy_change.hpp"
#include "culvert/proxy/sockets.hpp"
#include "waypoint/entry/entry.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(20);  // after a failed accept
constexpr auto kBufferCheck = std::chrono::milliseconds(500);
constexpr auto kQuietTunnel = std::chrono::milliseconds(500);  // its buffers are freed

// A socket of a tunnel: one descriptor.
class Place final : public proxy::TunnelPlace {
 public:
  explicit Place(std::size_t& count) : count_(count) { ++count_; }
  ~Place() override { --count_; }
  void connected(int, const mesh::Workload&, const mesh::Workload&) override {}

 private:
  std::size_t& count_;
};

telemetry::AccessFilter filter_of(const Settings& settings) {
  return telemetry::AccessFilter::parse(settings.access_filter).value_or(telemetry::AccessFilter());
}

// `self` and the policies that it names, alone.
mesh::SnapshotPtr mesh_of(const mesh::Snapshot& mesh, const mesh::Workload& self) {
  mesh::Delta delta;
  auto& alone = delta.workloads.emplace_back(self);
  alone.waypoint.reset();  // nobody stands in front of it
  alone.services.clear();
  for (const auto& key : self.policies) {
    if (const auto policy = mesh.policy(key)) delta.policies.push_back(*policy);
  }
  return mesh::apply(mesh::Snapshot(), std::move(delta));
}

}  // namespace

Worker::Worker(const SharedByWorkers& shared, proxy::Reporter reporter,
               telemetry::WorkerRequests& requests, std::unique_ptr<io::Loop> loop,
               std::size_t descriptors)
    : shared_(shared),
      loop_(std::move(loop)),
      view_(std::make_shared<const View>()),
      own_mesh_(std::make_shared<const mesh::Snapshot>()),
      reporter_(std::move(reporter)),
      descriptor_limit_(descriptors),
      out_of_descriptors_("no descriptor is left (RLIMIT_NOFILE)"),
      over_share_("more connections than the worker's share of descriptors"),
      server_options_{.head_timeout = settings().request_head_timeout,
                      .stream_idle_timeout = settings().stream_idle_timeout,
                      .budget = &shared.budget},
      exchange_settings_{.path_normalization = settings().path_normalization,
                         .identity = settings().identity().to_string(),
                         .counts = shared.counts,
                         .half_open_timeout = settings().stream_idle_timeout},
      request_log_(requests, shared.requests.tap, shared.lines, settings().log_format == "json",
                   filter_of(settings())),
      pool_(dialer_, PoolOptions{.budget = &shared.budget}),
      exchanges_(exchange_settings_, pooled_, request_log_, parties_, std::random_device{}()) {}

Worker::~Worker() = default;

void Worker::run() {
  SpareBlocks blocks;
  blocks_ = &blocks;
  post([](Worker& self) {
    self.loop_->root().spawn([](Worker* worker) -> Task<> { co_await worker->free_idle_buffers(); },
                             &self);
    self.loop_->root().spawn([](Worker* worker) -> Task<> { co_await worker->live_and_end(); },
                             &self);
  });
  loop_->run();
  blocks_ = nullptr;
}

Task<> Worker::free_idle_buffers() {
  while (co_await io::sleep_until(io::in(kBufferCheck))) {
    live_tunnels_.free_idle_buffers(loop_->now() - kQuietTunnel);
    changes_.store(live_.changes(), std::memory_order_relaxed);
    blocks_->free_if_idle();
  }
}

void Worker::take_view(ViewPtr view) {
  view_ = std::move(view);
  const Settings& s = settings();
  self_ = view_->mesh->workload_at({s.network, s.pod_ips.front()});
  if (self_ != nullptr && self_->identity() != s.identity()) self_ = nullptr;
  // Without an entry of its own it keeps what it knew: who is open was let in by that.
  if (self_ != nullptr) {
    const auto before = std::exchange(own_mesh_, mesh_of(*view_->mesh, *self_));
    decider_ = own_mesh_->workload(self_->uid);
    recheck_.policies_changed(mesh::policy_change(*before, *own_mesh_));
  }
  exchanges_.take_view(view_, self_);
  follow_gateways();
  view_changed_.notify();
}

Task<Result<mesh::WorkloadPtr>> Worker::self(io::Deadline deadline) {
  while (self_ == nullptr) {
    const auto woken = co_await view_changed_.wait(deadline);
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return std::unexpected(woken.error());
    co_return fail(ErrorCode::kNoWorkload, "wait for the waypoint's own entry from control",
                   Origin::kControl);
  }
  co_return self_;
}

mesh::Verdict Worker::authorize(proxy::LiveEntry& entry, const mesh::Identity* proved,
                                IpAddress client, SocketAddress destination) {
  assert(decider_ != nullptr && "its own entry has been there");
  entry.decided_by =
      std::make_unique<proxy::Decided>(decider_, nullptr, proved, client, destination);
  return proxy::decide(*own_mesh_, *entry.decided_by).verdict;
}

void Worker::take_credentials(proxy::Credentials credentials) {
  credentials_.emplace(std::move(credentials));
  credentials_changed_.notify();
}

void Worker::take_revocations(tls::RevocationListPtr revoked) {
  revoked_ = std::move(revoked);
  shared_.trust.ended_revoked.fetch_add(live_tunnels_.end_revoked(*revoked_, live_),
                                        std::memory_order_relaxed);
}

void Worker::note_handshake_failure(const Error& error) {
  if (error.sys_errno != EKEYREVOKED) return;
  shared_.trust.refused_revoked.fetch_add(1, std::memory_order_relaxed);
}

Task<Result<proxy::Credentials>> Worker::credentials_of(std::string, io::Deadline deadline) {
  while (!credentials_ || credentials_->server.not_after() <= std::chrono::system_clock::now()) {
    const auto woken = co_await credentials_changed_.wait(deadline);
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return std::unexpected(woken.error());
    co_return fail(ErrorCode::kNoCertificate, "wait for the waypoint's certificate",
                   Origin::kControl);
  }
  co_return *credentials_;
}

Task<Result<UniqueFd>> Worker::dial(SocketAddress to, io::Deadline deadline) {
  UniqueFd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return fail_errno(errno, "open a socket");
  proxy::send_at_once(fd.get());
  proxy::keep_alive(fd.get());
  auto connected = co_await io::connect(fd.get(), to, deadline);
  if (!connected) {
    proxy::reset_on_close(fd.get());  // the other side may have accepted it just now
    Error error = connected.error();
    if (error.code != ErrorCode::kCancelled) error.origin = Origin::kUpstream;
    co_return std::unexpected(error);
  }
  co_return fd;
}

std::unique_ptr<proxy::TunnelPlace> Worker::take_place() {
  return has_room(1) ? std::make_unique<Place>(descriptors_) : nullptr;
}

bool Worker::has_room(std::size_t count) {
  if (descriptors_ + count <= descriptor_limit_) {
    over_share_.recovered(loop_->now());
    return true;
  }
  over_share_.refused(settings().ns + "/" + settings().name, loop_->now());
  return false;
}

void Worker::serve(std::vector<Listener> listeners) {
  listeners_ = std::move(listeners);
  for (const auto& listener : listeners_) {
    accepting_.spawn(
        [](Worker* self, const Listener* l) -> Task<> { co_await self->accept_loop(l); }, this,
        &listener);
  }
  serving_ = true;
  follow_gateways();
}

// Ports of an edge open and close with its Gateways.
void Worker::follow_gateways() {
  if (!serving_ || draining_ || stopping_ || edges_served_ == view_->edges) return;
  edges_served_ = view_->edges;
  auto wanted = edges_served_->ports();
  if (wanted.erase(settings().hbone_port) > 0) {
    log::warn("port {} of a Gateway is not served: it is the waypoint's own",
              settings().hbone_port);
  }
  for (auto at = edge_ports_.begin(); at != edge_ports_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    log::info("port {} is closed: no Gateway has it", at->first);
    closing_.spawn(&Worker::close_edge_port, this, std::move(at->second));
    at = edge_ports_.erase(at);
  }
  for (const auto port : wanted) {
    if (!edge_ports_.contains(port)) open_edge_port(port);
  }
}

// One that cannot be opened is tried again when the Gateways change.
void Worker::open_edge_port(std::uint16_t port) {
  auto opened = open_listeners(settings(), port, Listener::Kind::kEdge);
  if (!opened) {
    log::warn("port {} of a Gateway: {}", port, opened.error().to_string());
    edges_served_ = nullptr;
    return;
  }
  auto& made = edge_ports_[port] = std::make_unique<EdgePort>();
  made->listeners = std::move(*opened);
  for (const auto& listener : made->listeners) {
    made->accepting.spawn(
        [](Worker* self, const Listener* l) -> Task<> { co_await self->accept_loop(l); }, this,
        &listener);
  }
}

// Who has connected already is served: closing a listener resets those in its queue.
Task<> Worker::close_edge_port(Worker* self, std::unique_ptr<EdgePort> port) {
  port->accepting.request_stop();
  co_await port->accepting.join();
  for (const auto& listener : port->listeners) {
    const int fd = listener.fd.get();
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    sockaddr_storage raw{};
    socklen_t size = sizeof raw;
    while (true) {
      UniqueFd accepted(::accept4(fd, reinterpret_cast<sockaddr*>(&raw), &size, SOCK_CLOEXEC));
      if (!accepted.valid()) break;
      const auto peer = SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&raw));
      if (peer && self->admit(accepted)) self->start_serving(listener, std::move(accepted), *peer);
      size = sizeof raw;
    }
  }
}

void Worker::start_serving(const Listener& listener, UniqueFd fd, const SocketAddress& peer) {
  const auto serve = listener.kind == Listener::Kind::kHbone ? &serve_hbone : &serve_edge;
  connections_.spawn(serve, this, std::move(fd), peer);
}

Task<> Worker::accept_loop(const Listener* listener) {
  while (true) {
    auto accepted = co_await io::accept(listener->fd.get());
    if (!accepted) {
      if (accepted.error().code == ErrorCode::kCancelled) co_return;
      if (!co_await after_failed_accept(accepted.error())) co_return;
      continue;
    }
    if (!admit(accepted->fd)) continue;
    start_serving(*listener, std::move(accepted->fd), accepted->peer);
  }
}

// With no descriptor left, the spare one is given up: the next accept gets it, and admit() refuses
// what came with it. False: stop.
Task<bool> Worker::after_failed_accept(Error error) {
  const bool none_left = error.sys_errno == EMFILE || error.sys_errno == ENFILE;
  if (none_left && spare_.held()) {
    spare_.give_up();
    co_return true;
  }
  if (none_left) {
    out_of_descriptors_.refused(settings().name, loop_->now());
  } else {
    log::warn("accept: {}", error.to_string());
  }
  co_return co_await io::sleep_until(loop_->now() + kAcceptPause);
}

// False: refused, with RST.
bool Worker::admit(UniqueFd& fd) {
  if (spare_.take()) {
    out_of_descriptors_.recovered(loop_->now());
    if (open_connections_ < kMaxConnectionsPerWorker && has_room(1)) return true;
  } else {
    out_of_descriptors_.refused(settings().name, loop_->now());
  }
  proxy::reset_on_close(fd.get());
  fd.reset();
  spare_.take();
  return false;
}

// What is told may end at once, and leave the set.
void Worker::tell_drainables(bool idle_too) {
  const std::vector<Drainable*> all(drainables_.begin(), drainables_.end());
  for (Drainable* one : all) {
    if (drainables_.contains(one)) one->drain(idle_too);
  }
}

void Worker::drain(std::function<void()> ended) {
  draining_ = true;
  ended_ = std::move(ended);
  tell_drainables(false);
  asked_.notify();
}

// The worker's own life, from its first connection to the end of its loop.
Task<> Worker::live_and_end() {
  while (!draining_ && !stopping_) (void)co_await asked_.wait(io::kNoDeadline);
  const auto until = io::in(kLameDuck);
  while (!stopping_ && co_await asked_.wait(until)) {
  }
  accepting_.request_stop();
  co_await accepting_.join();
  listeners_.clear();
  for (auto& [number, port] : edge_ports_) {
    port->accepting.request_stop();
    co_await port->accepting.join();
  }
  edge_ports_.clear();
  co_await closing_.join();
  tell_drainables(true);
  co_await connections_.join();
  if (ended_) std::exchange(ended_, nullptr)();
  while (!stopping_) (void)co_await asked_.wait(io::kNoDeadline);
  co_await exchanges_.close();
  co_await pool_.close();
  tunnels_.drain();
  for (io::Scope* scope : {&tunnel_fibers_, &rechecks_}) scope->request_stop();
  for (io::Scope* scope : {&tunnel_fibers_, &rechecks_}) co_await scope->join();
  loop_->stop();
}

void Worker::cut_all(proxy::Cut why) {
  if (live_.size() > 0) log::info("{} connections are {}", live_.size(), proxy::to_string(why));
  live_.for_each([&](proxy::LiveConnection& entry) { live_.cut(entry, why); });
  connections_.request_stop();
}

void Worker::stop_all() {
  post([](Worker& self) {
    self.stopping_ = true;
    self.connections_.request_stop();
    self.asked_.notify();
  });
}

}  // namespace culvert::waypoint
