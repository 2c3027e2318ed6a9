// Worker: one data thread of a waypoint and all that it owns. It shares no lock with others: views
// and certificates reach it as messages (Loop::post). Every member function is for the worker's own
// loop thread unless it says otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "culvert/base/spare_blocks.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/proxy/credentials.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/live_tunnels.hpp"
#include "culvert/proxy/parties.hpp"
#include "culvert/proxy/recheck.hpp"
#include "culvert/proxy/reporter.hpp"
#include "culvert/proxy/shedding.hpp"
#include "culvert/proxy/trust_counters.hpp"
#include "culvert/proxy/tunnel_pool.hpp"
#include "waypoint/entry/listeners.hpp"
#include "waypoint/exchange/context.hpp"
#include "waypoint/http/pool.hpp"
#include "waypoint/http/server.hpp"
#include "waypoint/settings.hpp"
#include "waypoint/telemetry/request_log.hpp"
#include "waypoint/upstream/connections.hpp"
#include "waypoint/upstream/tunnel_dialer.hpp"
#include "waypoint/view.hpp"

namespace culvert::waypoint {

/// A connection (or tunnel) that can be told to end in order. Known to its worker while it lives.
class Drainable {
 public:
  virtual ~Drainable() = default;
  /// `idle_too`: also if no request is under way; else it ends behind the next one.
  virtual void drain(bool idle_too) = 0;
};

/// What workers share; all outlive them.
struct SharedByWorkers {
  const Settings& settings;
  h2::Budget& budget;
  proxy::TrustCounters& trust;
  telemetry::TrafficMetrics& metrics;  // of as many workers
  telemetry::LineWriter& lines;
  RequestTelemetry& requests;  // of as many workers
  SharedCounts* counts;        // null: there is one worker
};

/// A port of Gateways that an edge serves, while one has it.
struct EdgePort {
  std::vector<Listener> listeners;
  io::Scope accepting;
};

class Worker final : public proxy::TunnelOwner {
 public:
  /// `requests`: its part of the metrics. `descriptors`: what its connections may hold.
  Worker(const SharedByWorkers& shared, proxy::Reporter reporter,
         telemetry::WorkerRequests& requests, std::unique_ptr<io::Loop> loop,
         std::size_t descriptors);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() override;

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
  /// New connections and requests are served by it at once.
  void take_view(ViewPtr view);
  /// For new handshakes; open tunnels keep theirs.
  void take_credentials(proxy::Credentials credentials);
  /// For new handshakes; open tunnels of peers that are revoked are ended.
  void take_revocations(tls::RevocationListPtr revoked);
  /// Starts accepting; at an edge also at the ports of its Gateways, as they come and go. Once.
  void serve(std::vector<Listener> listeners);
  /// The end of service: tunnels and HTTP connections are told to end behind what is under way.
  /// What comes during kLameDuck is still served so; then nothing is accepted and idle HTTP
  /// connections are closed. `ended` is called on this thread once the last connection has ended.
  /// Once.
  void drain(std::function<void()> ended);
  /// Ends what is left; the access log says why.
  void cut_all(proxy::Cut why);

  // What connections ask.
  const Settings& settings() const { return shared_.settings; }
  const ViewPtr& view() const { return view_; }
  /// The waypoint's own entry in the mesh; waits for it. kNoWorkload at the deadline.
  io::Task<Result<mesh::WorkloadPtr>> self(io::Deadline deadline);
  /// The policies that select the waypoint itself decide about a connection of `client` to
  /// `destination`, now and whenever one of them changes (`entry` is cut then, with a log line).
  /// `proved`: the identity of the tunnel's other end, which outlives `entry`; null: none. After
  /// self() has been there.
  mesh::Verdict authorize(proxy::LiveEntry& entry, const mesh::Identity* proved, IpAddress client,
                          SocketAddress destination);
  TunnelDialer& tunnel_dialer() { return dialer_; }
  proxy::TunnelPool& tunnels() { return tunnels_; }
  proxy::Reporter& reporter() { return reporter_; }
  RequestLog& request_log() { return request_log_; }
  proxy::Parties& parties() { return parties_; }
  mesh::RoundRobin& round_robin() { return round_robin_; }
  proxy::LiveConnections& live() { return live_; }
  ExchangeContext& exchanges() { return exchanges_; }
  const ServerOptions& server_options() const { return server_options_; }
  /// Any thread: how many connections have come and gone, ever, as of half a second ago.
  std::uint64_t changes() const { return changes_.load(std::memory_order_relaxed); }
  io::Loop& loop() { return *loop_; }
  std::set<Drainable*>& drainables() { return drainables_; }
  /// Whether `count` more descriptors may be taken; says so when not.
  bool has_room(std::size_t count);
  std::size_t& descriptors() { return descriptors_; }
  std::size_t open_connections() const { return open_connections_; }
  /// Accepted, told to end in order, and not ended.
  bool draining() const override { return draining_; }

  // TunnelOwner, for the tunnels that it opens and that it accepts.
  std::unique_ptr<proxy::TunnelPlace> take_place() override;
  io::Task<Result<proxy::Credentials>> credentials_of(std::string identity,
                                                      io::Deadline deadline) override;
  io::Task<Result<UniqueFd>> dial(SocketAddress to, io::Deadline deadline) override;
  const tls::RevocationListPtr& revoked() const override { return revoked_; }
  void note_handshake_failure(const Error& error) override;
  proxy::LiveTunnels& live_tunnels() override { return live_tunnels_; }
  h2::Budget& stream_bytes() override { return shared_.budget; }
  io::Scope& fibers() override { return tunnel_fibers_; }

 private:
  friend class Admitted;
  io::Task<> accept_loop(const Listener* listener);
  io::Task<bool> after_failed_accept(Error error);
  void start_serving(const Listener& listener, UniqueFd fd, const SocketAddress& peer);
  void follow_gateways();
  void open_edge_port(std::uint16_t port);
  static io::Task<> close_edge_port(Worker* self, std::unique_ptr<EdgePort> port);
  bool admit(UniqueFd& fd);
  io::Task<> free_idle_buffers();
  io::Task<> live_and_end();
  void tell_drainables(bool idle_too);

  const SharedByWorkers shared_;
  std::unique_ptr<io::Loop> loop_;
  SpareBlocks* blocks_ = nullptr;  // in run()'s frame, on its thread
  ViewPtr view_;
  mesh::WorkloadPtr self_;  // as the view has it; null before it came
  /// The waypoint and what selects it, as a mesh of its own: nothing else is asked here, for the
  /// rest is decided where the destination is. As last known.
  mesh::SnapshotPtr own_mesh_;
  mesh::WorkloadPtr decider_;  // the waypoint, as that mesh has it
  io::Event view_changed_;
  std::optional<proxy::Credentials> credentials_;
  io::Event credentials_changed_;
  tls::RevocationListPtr revoked_;
  proxy::LiveConnections live_;
  std::atomic<std::uint64_t> changes_{0};
  io::Scope rechecks_;
  proxy::Recheck recheck_{live_, own_mesh_, shared_.trust, rechecks_};
  proxy::LiveTunnels live_tunnels_;
  proxy::Reporter reporter_;
  proxy::Parties parties_;
  mesh::RoundRobin round_robin_;
  const std::size_t descriptor_limit_;
  std::size_t descriptors_ = 0;
  std::size_t open_connections_ = 0;
  proxy::SpareDescriptor spare_;
  proxy::ShedLog out_of_descriptors_, over_share_;
  std::vector<Listener> listeners_;
  bool serving_ = false;
  std::map<std::uint16_t, std::unique_ptr<EdgePort>> edge_ports_;
  std::shared_ptr<const Edges> edges_served_;  // that edge_ports_ are of
  io::Scope closing_;                          // edge ports that nobody has any more
  std::set<Drainable*> drainables_;
  bool draining_ = false, stopping_ = false;
  io::Event asked_;              // one of these
  std::function<void()> ended_;  // set by drain(), called once
  io::Scope accepting_;
  io::Scope connections_;
  io::Scope tunnel_fibers_;
  proxy::TunnelPool tunnels_{*this};
  TunnelDialer dialer_{*this};
  const ServerOptions server_options_;
  const ExchangeSettings exchange_settings_;
  RequestLog request_log_;
  HttpPool pool_;
  PooledConnections pooled_{pool_};
  ExchangeContext exchanges_;
};

/// An accepted connection's place in its worker's counts, while it lives.
class Admitted {
 public:
  explicit Admitted(Worker& worker) : worker_(worker) {
    ++worker_.open_connections_;
    ++worker_.descriptors_;
  }
  Admitted(const Admitted&) = delete;
  Admitted& operator=(const Admitted&) = delete;
  ~Admitted() {
    --worker_.open_connections_;
    --worker_.descriptors_;
  }

 private:
  Worker& worker_;
};

/// Something drainable's registration, for its life. Both outlive it.
class DrainEntry {
 public:
  DrainEntry(Worker& worker, Drainable& one) : worker_(worker), one_(one) {
    worker_.drainables().insert(&one_);
  }
  DrainEntry(const DrainEntry&) = delete;
  DrainEntry& operator=(const DrainEntry&) = delete;
  ~DrainEntry() { worker_.drainables().erase(&one_); }

 private:
  Worker& worker_;
  Drainable& one_;
};

}  // namespace culvert::waypoint
