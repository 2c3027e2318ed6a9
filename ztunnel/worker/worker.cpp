#include "ztunnel/worker/worker.hpp"

#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/socket.hpp"
#include "ztunnel/inbound/inbound.hpp"
#include "ztunnel/outbound/outbound.hpp"
#include "ztunnel/worker/dial.hpp"

namespace culvert::ztunnel {
namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(20);  // after a failed accept
constexpr auto kMemoryCheck = std::chrono::seconds(2);
constexpr std::size_t kConnectionsToGiveBack = 256;  // a megabyte or so has been freed

}  // namespace

LocalPod::LocalPod(Worker& worker, PodPtr announced)
    : pod(std::move(announced)),
      bytes(&worker.budget()),
      over_share("more connections than the pod's share of descriptors"),
      tunnels(worker, *this) {}

Worker::Worker(const Settings& settings, const bpf::SocketMaps& maps, h2::Budget& budget,
               TrustCounters& trust, Reporter reporter, std::unique_ptr<io::Loop> loop,
               std::size_t descriptors)
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
        [](Worker* worker) -> io::Task<> { co_await worker->give_memory_back(); }, &self);
  });
  loop_->run();
}

// Memory that was freed goes back to the system only when malloc is told. After a wave of
// connections it is, once no more of them end: it takes a millisecond or a few.
io::Task<> Worker::give_memory_back() {
  std::size_t most = 0, before = 0;
  while (co_await io::sleep_until(io::in(kMemoryCheck))) {
    const std::size_t now = live_.size();
    most = std::max(most, now);
    const bool falling = now < std::exchange(before, now);
    if (falling || most - now < kConnectionsToGiveBack) continue;
    ::malloc_trim(0);
    most = now;
  }
}

void Worker::take_snapshot(mesh::SnapshotPtr snapshot, const mesh::PolicyChange& change) {
  snapshot_ = std::move(snapshot);
  snapshot_changed_.notify();
  recheck_.policies_changed(change);
}

void Worker::take_credentials(const std::string& identity, Credentials credentials) {
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

void Worker::cut_all(Cut why) {
  if (live_.size() > 0) log::info("{} connections are {}", live_.size(), to_string(why));
  live_.for_each([&](LiveConnection& entry) { live_.cut(entry, why); });
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

io::Task<Result<Credentials>> Worker::credentials_of(const std::string& identity,
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

io::Task<> Worker::accept_loop(LocalPod* pod, const Listener* listener) {
  // A tunnel's streams count their own; any other connection has an other side to be dialed.
  const std::size_t count = listener->kind == bpf::ListenerKind::kHbone ? 1 : 2;
  while (true) {
    auto accepted = co_await io::accept(listener->fd.get());
    if (!accepted) {
      if (accepted.error().code == ErrorCode::kCancelled) co_return;
      if (!co_await after_failed_accept(pod->pod.get(), accepted.error())) co_return;
      continue;
    }
    if (!admit(*pod, accepted->fd, count)) continue;
    pod->scope.spawn(
        [](Worker* self, LocalPod* p, bpf::ListenerKind kind, std::size_t held, UniqueFd fd,
           SocketAddress peer) -> io::Task<> {
          const DescriptorLease lease(self->descriptors_, p->descriptors, held);
          ++self->open_connections_;
          co_await self->serve(p, kind, std::move(fd), peer);
          --self->open_connections_;
        },
        this, pod, listener->kind, count, std::move(accepted->fd), accepted->peer);
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
bool Worker::admit(LocalPod& pod, UniqueFd& fd, std::size_t count) {
  const bool any_left = spare_.take();
  if (any_left) {
    out_of_descriptors_.recovered(loop_->now());
    if (open_connections_ < kMaxConnectionsPerWorker && has_room(pod, count)) return true;
  } else {
    out_of_descriptors_.refused(pod.pod->ns + "/" + pod.pod->name, loop_->now());
  }
  reset_on_close(fd.get());
  fd.reset();
  spare_.take();
  return false;
}

bool Worker::has_room(LocalPod& pod, std::size_t count) {
  if (descriptors_.admits(pod.descriptors, count)) {
    pod.over_share.recovered(loop_->now());
    return true;
  }
  pod.over_share.refused(pod.pod->ns + "/" + pod.pod->name, loop_->now());
  return false;
}

io::Task<> Worker::serve(LocalPod* pod, bpf::ListenerKind kind, UniqueFd fd, SocketAddress peer) {
  tune_socket(fd.get());
  std::size_t& open = open_sockets_[static_cast<std::size_t>(kind)];
  ++open;
  switch (kind) {
    case bpf::ListenerKind::kOutbound:
      co_await serve_outbound(this, pod, fd.get(), peer);
      break;
    case bpf::ListenerKind::kHbone:
      co_await serve_hbone(this, pod, std::move(fd), peer);
      break;
    case bpf::ListenerKind::kPlaintext:
      co_await serve_plaintext(this, pod, fd.get(), peer);
      break;
  }
  --open;
}

}  // namespace culvert::ztunnel
