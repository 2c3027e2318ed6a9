#include "ztunnel/worker/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/proxy/sockets.hpp"
#include "ztunnel/inbound/inbound.hpp"
#include "ztunnel/outbound/outbound.hpp"
#include "ztunnel/worker/dial.hpp"
#include "ztunnel/worker/pod_socket.hpp"

namespace culvert::ztunnel {
namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(20);  // after a failed accept
constexpr auto kBufferCheck = std::chrono::milliseconds(500);
constexpr auto kQuietTunnel = std::chrono::milliseconds(500);  // its buffers are freed

}  // namespace

LocalPod::LocalPod(Worker& worker, PodPtr announced)
    : pod(std::move(announced)),
      unresolved(telemetry::Party{.pod = pod->name, .namespace_name = pod->ns}),
      bytes(&worker.budget()),
      over_share("more connections than the pod's share of descriptors"),
      tunnel_owner(worker, *this),
      tunnels(tunnel_owner) {}

Worker::Worker(const Settings& settings, const bpf::SocketMaps& maps, h2::Budget& budget,
               proxy::TrustCounters& trust, proxy::Reporter reporter,
               std::unique_ptr<io::Loop> loop, std::size_t descriptors)
    : settings_(settings),
      maps_(maps),
      budget_(budget),
      loop_(std::move(loop)),
      snapshot_(std::make_shared<const mesh::Snapshot>()),
      trust_(trust),
      measured_([&maps](int socket) { return maps.health(socket); }, reporter.traffic()),
      recheck_(live_, snapshot_, trust, loop_->root()),
      reporter_(std::move(reporter)),
      descriptors_(descriptors),
      out_of_descriptors_("no descriptor is left (RLIMIT_NOFILE)") {}

void Worker::run() {
  post([](Worker& self) {
    self.loop_->root().spawn(
        [](Worker* worker) -> io::Task<> { co_await worker->free_idle_buffers(); }, &self);
  });
  loop_->run();
}

// Twice a second is a look at a few flags for each tunnel.
io::Task<> Worker::free_idle_buffers() {
  while (co_await io::sleep_until(io::in(kBufferCheck))) {
    live_tunnels_.free_idle_buffers(loop_->now() - kQuietTunnel);
    changes_.store(live_.changes(), std::memory_order_relaxed);
  }
}

void Worker::take_snapshot(mesh::SnapshotPtr snapshot, const mesh::PolicyChange& change) {
  snapshot_ = std::move(snapshot);
  snapshot_changed_.notify();
  recheck_.policies_changed(change);
}

void Worker::take_credentials(const std::string& identity, proxy::Credentials credentials) {
  credentials_.insert_or_assign(identity, std::move(credentials));
  credentials_changed_.notify();
}

void Worker::drop_credentials(const std::string& identity) {
  credentials_.erase(identity);
}

void Worker::take_revocations(tls::RevocationListPtr revoked) {
  revoked_ = std::move(revoked);
  trust_.ended_revoked.fetch_add(live_tunnels_.end_revoked(*revoked_, live_),
                                 std::memory_order_relaxed);
}

void Worker::note_handshake_failure(const Error& error) {
  if (error.sys_errno != EKEYREVOKED) return;
  trust_.refused_revoked.fetch_add(1, std::memory_order_relaxed);
}

void Worker::add_pod(PodPtr pod, ListenersPtr listeners, unsigned slot) {
  remove_pod(pod->uid);
  auto local = std::make_shared<LocalPod>(*this, std::move(pod));
  local->listeners = std::move(listeners);
  for (const auto& listener : *local->listeners) {
    if (listener.slot != slot) continue;
    local->accepting.spawn(
        [](Worker* self, LocalPod* p, const Listener* l) -> io::Task<> {
          co_await self->accept_loop(p, l);
        },
        this, local.get(), &listener);
  }
  pods_[local->pod->uid] = std::move(local);
}

void Worker::stop_all() {
  post([](Worker& self) {
    while (!self.pods_.empty()) self.remove_pod(std::string(self.pods_.begin()->first));
    self.loop_->stop();
  });
}

void Worker::remove_pod(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const std::shared_ptr<LocalPod> pod = std::move(found->second);
  pods_.erase(found);
  pod->scope.request_stop();
  for (io::Scope* guest : pod->guests) guest->request_stop();
  end(pod);
}

void Worker::end(const std::shared_ptr<LocalPod>& pod) {
  pod->accepting.request_stop();
  if (std::exchange(pod->ending, true)) return;
  ++ending_pods_;
  loop_->root().spawn(
      [](Worker* self, std::shared_ptr<LocalPod> p) -> io::Task<> {
        co_await self->finish(std::move(p));
      },
      this, pod);
}

// Until the pod's last connection has ended, by itself or because it was stopped.
io::Task<> Worker::finish(std::shared_ptr<LocalPod> pod) {
  co_await pod->accepting.join();
  pod->listeners.reset();
  co_await pod->scope.join();
  const auto found = pods_.find(pod->pod->uid);
  if (found != pods_.end() && found->second == pod) pods_.erase(found);
  leave_netns(*pod->pod);
  --ending_pods_;
  tell_ended();
}

void Worker::tell_ended() {
  if (ended_ && pods_.empty() && ending_pods_ == 0) std::exchange(ended_, nullptr)();
}

void Worker::say_goaway() {
  draining_ = true;
  for (const auto& [uid, pod] : pods_) {
    for (h2::Connection* tunnel : pod->arrived) tunnel->drain();
    pod->tunnels.drain();
  }
}

void Worker::stop_accepting(std::function<void()> ended) {
  say_goaway();
  ended_ = std::move(ended);
  for (const auto& [uid, pod] : pods_) end(pod);
  tell_ended();
}

void Worker::cut_all(proxy::Cut why) {
  if (live_.size() > 0) log::info("{} connections are {}", live_.size(), to_string(why));
  live_.for_each([&](proxy::LiveConnection& entry) { live_.cut(entry, why); });
}

std::shared_ptr<LocalPod> Worker::find_pod(std::string_view ns, std::string_view name) {
  for (const auto& [uid, local] : pods_) {
    if (local->pod->name == name && local->pod->ns == ns) return local;
  }
  return nullptr;
}

io::Task<Result<mesh::WorkloadPtr>> Worker::workload_of(const Pod& pod, io::Deadline deadline) {
  while (true) {
    auto workload = snapshot_->workload_named(pod.ns, pod.name);
    if (workload != nullptr && workload->service_account == pod.service_account) co_return workload;
    const auto woken = co_await snapshot_changed_.wait(deadline);
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return std::unexpected(woken.error());
    co_return fail(ErrorCode::kNoWorkload, "wait for the pod's own entry from control",
                   Origin::kControl);
  }
}

io::Task<Result<proxy::Credentials>> Worker::credentials_of(const std::string& identity,
                                                            io::Deadline deadline) {
  while (true) {
    const auto found = credentials_.find(identity);
    if (found != credentials_.end() &&
        found->second.server.not_after() > std::chrono::system_clock::now()) {
      co_return found->second;
    }
    const auto woken = co_await credentials_changed_.wait(deadline);
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return std::unexpected(woken.error());
    co_return fail(ErrorCode::kNoCertificate, "wait for the workload's certificate",
                   Origin::kControl);
  }
}

namespace {

// What is taken at accept: who serves the connection takes what else it needs when it comes to it
// (a tunnel, a stream's application, another pod), but for plaintext, whose server is dialed.
std::size_t descriptors_of(bpf::ListenerKind kind) {
  return kind == bpf::ListenerKind::kPlaintext ? 2 : 1;
}

// By ListenerKind.
constexpr std::array kServers{&serve_outbound, &serve_hbone, &serve_plaintext};

}  // namespace

io::Task<> Worker::accept_loop(LocalPod* pod, const Listener* listener) {
  while (true) {
    auto accepted = co_await io::accept(listener->fd.get());
    if (!accepted) {
      if (accepted.error().code == ErrorCode::kCancelled) co_return;
      if (!co_await after_failed_accept(pod->pod.get(), accepted.error())) co_return;
      continue;
    }
    if (!admit(*pod, accepted->fd, listener->kind)) continue;
    const auto serve = kServers[static_cast<std::size_t>(listener->kind)];
    pod->scope.spawn(serve, this, pod, std::move(accepted->fd), accepted->peer);
  }
}

// What follows a failure of accept. With no descriptor left, the spare one is given up: the next
// accept gets it, and admit() refuses what came with it. False: stop.
io::Task<bool> Worker::after_failed_accept(const Pod* pod, Error error) {
  const bool none_left = error.sys_errno == EMFILE || error.sys_errno == ENFILE;
  if (none_left && spare_.held()) {
    spare_.give_up();
    co_return true;
  }
  // Another accept has it, or a connection that was just dialed.
  if (none_left) {
    out_of_descriptors_.refused(pod->ns + "/" + pod->name, loop_->now());
  } else {
    log::warn("accept for pod {}/{}: {}", pod->ns, pod->name, error.to_string());
  }
  co_return co_await io::sleep_until(loop_->now() + kAcceptPause);
}

// False: refused, with RST.
bool Worker::admit(LocalPod& pod, UniqueFd& fd, bpf::ListenerKind kind) {
  const Role role = kind == bpf::ListenerKind::kOutbound ? Role::kClient : Role::kServer;
  const bool any_left = spare_.take();
  if (any_left) {
    out_of_descriptors_.recovered(loop_->now());
    const bool few = open_connections_ < kMaxConnectionsPerWorker;
    if (few && has_room(pod, descriptors_of(kind), role)) return true;
  } else {
    out_of_descriptors_.refused(pod.pod->ns + "/" + pod.pod->name, loop_->now());
  }
  proxy::reset_on_close(fd.get());
  fd.reset();
  spare_.take();
  return false;
}

bool Worker::has_room(LocalPod& pod, std::size_t count, Role role) {
  if (descriptors_.admits(pod.descriptors, count, role)) {
    pod.over_share.recovered(loop_->now());
    return true;
  }
  pod.over_share.refused(pod.pod->ns + "/" + pod.pod->name, loop_->now());
  return false;
}

Admitted::Admitted(Worker& worker, LocalPod& pod, bpf::ListenerKind kind)
    : worker_(worker),
      kind_(kind),
      lease_(worker.descriptors_, pod.descriptors, descriptors_of(kind)) {
  ++worker_.open_connections_;
  ++worker_.open_sockets_[static_cast<std::size_t>(kind_)];
}

Admitted::~Admitted() {
  --worker_.open_connections_;
  --worker_.open_sockets_[static_cast<std::size_t>(kind_)];
}

}  // namespace culvert::ztunnel
