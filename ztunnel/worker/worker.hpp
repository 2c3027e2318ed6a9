// Worker: one data thread and all that it owns. It shares no lock with others: snapshots,
// certificates and pods reach it as messages (Loop::post), what it counts is read by scraping.
// Every member function is for the worker's own loop thread unless it says otherwise.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "culvert/bpf/socket_maps.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/mesh/snapshot.hpp"
#include "culvert/proxy/credentials.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/live_tunnels.hpp"
#include "culvert/proxy/parties.hpp"
#include "culvert/proxy/recheck.hpp"
#include "culvert/proxy/reporter.hpp"
#include "culvert/proxy/shedding.hpp"
#include "culvert/tls/context.hpp"
#include "ztunnel/pods/listeners.hpp"
#include "ztunnel/pods/pod.hpp"
#include "ztunnel/pool/pod_tunnels.hpp"
#include "ztunnel/settings.hpp"
#include "ztunnel/worker/descriptor_share.hpp"
#include "ztunnel/worker/measured.hpp"

namespace culvert::ztunnel {

class Worker;

/// What a worker holds of a pod: its listeners, its connections (fibers of `scope`) and its
/// tunnels.
struct LocalPod {
  LocalPod(Worker& worker, PodPtr announced);
  PodPtr pod;
  telemetry::Shared<telemetry::Party> unresolved;  // what its pod alone says of a connection's end
  h2::Budget bytes;             // its part of the process' bytes in HTTP/2 streams
  std::size_t descriptors = 0;  // that its connections hold
  proxy::ShedLog over_share;
  ListenersPtr listeners;
  io::Scope accepting;
  io::Scope scope;
  PodTunnels tunnel_owner;
  proxy::TunnelPool tunnels;
  std::unordered_set<h2::Connection*> arrived;  // tunnels from others
  bool ending = false;                          // Worker::finish() is at work
  std::unordered_set<io::Scope*> guests;        // relays of other pods that are joined to this one
};

/// Registers a relay of another pod's connection with the pod it is joined to, so that the pod's
/// removal cuts it.
class Guest {
 public:
  Guest(std::shared_ptr<LocalPod> host, io::Scope& relay) : host_(std::move(host)), relay_(relay) {
    host_->guests.insert(&relay_);
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() { host_->guests.erase(&relay_); }

 private:
  std::shared_ptr<LocalPod> host_;
  io::Scope& relay_;
};

class Worker {
 public:
  /// `settings`, `maps`, `budget` (the process's bytes in HTTP/2 streams) and `trust` outlive the
  /// worker. `descriptors` is what its connections may hold (descriptors_for_worker()).
  Worker(const Settings& settings, const bpf::SocketMaps& maps, h2::Budget& budget,
         proxy::TrustCounters& trust, proxy::Reporter reporter, std::unique_ptr<io::Loop> loop,
         std::size_t descriptors);

  /// Runs the loop until stop_all(); on its own thread.
  void run();
  /// Any thread: ends every connection and then the loop.
  void stop_all();
  /// Any thread: runs `message` on the worker's thread.
  template <class F>
  void post(F message) {
    loop_->post([this, m = std::move(message)]() mutable { m(*this); });
  }

  // Messages.
  /// New connections decide by it at once; live ones that `change` concerns are decided again.
  void take_snapshot(mesh::SnapshotPtr snapshot, const mesh::PolicyChange& change);
  /// Replaces the certificate of an identity for new handshakes; open tunnels keep theirs.
  void take_credentials(const std::string& identity, proxy::Credentials credentials);
  void drop_credentials(const std::string& identity);
  /// For new handshakes; open tunnels of peers that are revoked are ended.
  void take_revocations(tls::RevocationListPtr revoked);
  /// Starts accepting on those of the pod's listeners that have this slot.
  void add_pod(PodPtr pod, ListenersPtr listeners, unsigned slot);
  /// Ends its connections with RST and forgets it. Unknown uids have no effect.
  void remove_pod(const std::string& uid);

  // The end of service, in this order.
  /// Tells every tunnel, of both directions, that it gets no more streams (GOAWAY), those that are
  /// still to come too. Connections go on.
  void say_goaway();
  /// Accepts no more. `ended` is called on this thread once the last connection has ended. Once.
  void stop_accepting(std::function<void()> ended);
  /// Ends what is left; the access log says why.
  void cut_all(proxy::Cut why);
  bool draining() const { return draining_; }

  // What connections ask.
  const Settings& settings() const { return settings_; }
  const bpf::SocketMaps& maps() const { return maps_; }
  const mesh::SnapshotPtr& snapshot() const { return snapshot_; }
  h2::Budget& budget() { return budget_; }
  mesh::RoundRobin& round_robin() { return round_robin_; }
  proxy::Reporter& reporter() { return reporter_; }
  proxy::Parties& parties() { return parties_; }
  proxy::LiveConnections& live() { return live_; }
  /// Whether the pod may open so many more descriptors; says so when it may not.
  bool has_room(LocalPod& pod, std::size_t count, Role role);
  DescriptorShare& descriptors() { return descriptors_; }
  proxy::LiveTunnels& live_tunnels() { return live_tunnels_; }
  const tls::RevocationListPtr& revoked() const { return revoked_; }
  /// Counts those that failed because a certificate was revoked.
  void note_handshake_failure(const Error& error);
  MeasuredTable& measured() { return measured_; }
  /// A pod of this node by its Kubernetes name; nullptr when it is not here.
  std::shared_ptr<LocalPod> find_pod(std::string_view ns, std::string_view name);
  /// The mesh's entry of a local pod; waits for it. kNoWorkload at the deadline.
  io::Task<Result<mesh::WorkloadPtr>> workload_of(const Pod& pod, io::Deadline deadline);
  /// The certificate of an identity of this node; waits for it. kNoCertificate at the deadline.
  io::Task<Result<proxy::Credentials>> credentials_of(const std::string& identity,
                                                      io::Deadline deadline);

  std::size_t open_connections() const { return open_connections_; }
  /// Any thread: how many connections have come and gone, as of half a second ago.
  std::uint64_t changes() const { return changes_.load(std::memory_order_relaxed); }
  /// Open sockets that were accepted, by ListenerKind.
  const std::array<std::size_t, 3>& open_sockets() const { return open_sockets_; }

 private:
  friend class Admitted;
  io::Task<> free_idle_buffers();
  io::Task<> accept_loop(LocalPod* pod, const Listener* listener);
  bool admit(LocalPod& pod, UniqueFd& fd, bpf::ListenerKind kind);
  io::Task<bool> after_failed_accept(const Pod* pod, Error error);
  void end(const std::shared_ptr<LocalPod>& pod);
  io::Task<> finish(std::shared_ptr<LocalPod> pod);
  void tell_ended();

  const Settings& settings_;
  const bpf::SocketMaps& maps_;
  h2::Budget& budget_;
  std::unique_ptr<io::Loop> loop_;
  mesh::SnapshotPtr snapshot_;
  io::Event snapshot_changed_;
  std::unordered_map<std::string, proxy::Credentials> credentials_;
  io::Event credentials_changed_;
  proxy::LiveConnections live_;
  proxy::LiveTunnels live_tunnels_;
  proxy::TrustCounters& trust_;
  MeasuredTable measured_;
  proxy::Recheck recheck_;
  tls::RevocationListPtr revoked_;
  std::map<std::string, std::shared_ptr<LocalPod>> pods_;  // by uid
  mesh::RoundRobin round_robin_;
  proxy::Reporter reporter_;
  proxy::Parties parties_;
  std::size_t open_connections_ = 0;
  std::atomic<std::uint64_t> changes_{0};
  DescriptorShare descriptors_;
  proxy::SpareDescriptor spare_;
  proxy::ShedLog out_of_descriptors_;
  bool draining_ = false;
  std::size_t ending_pods_ = 0;
  std::function<void()> ended_;  // set by stop_accepting(), called once
  std::array<std::size_t, 3> open_sockets_{};
};

/// An accepted connection's place in its worker's counts, while it lives. All outlive it.
class Admitted {
 public:
  Admitted(Worker& worker, LocalPod& pod, bpf::ListenerKind kind);
  Admitted(const Admitted&) = delete;
  Admitted& operator=(const Admitted&) = delete;
  ~Admitted();

 private:
  Worker& worker_;
  const bpf::ListenerKind kind_;
  const DescriptorLease lease_;
};

}  // namespace culvert::ztunnel
