// ExchangeContext: what the exchanges of one worker have in common. Owned by the worker; lives on
// its loop and outlives its exchanges.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "culvert/http/limits.hpp"
#include "culvert/http/path.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/l7/random.hpp"
#include "culvert/mesh/waypoint.hpp"
#include "culvert/proxy/parties.hpp"
#include "culvert/telemetry/exchange_log.hpp"
#include "waypoint/http/server.hpp"
#include "waypoint/upstream/clusters.hpp"
#include "waypoint/upstream/connections.hpp"
#include "waypoint/view.hpp"

namespace culvert::waypoint {

struct ExchangeMemory;

/// Bytes of request bodies that a worker keeps for further attempts, all requests together; beyond
/// it bodies pass without being kept, and their requests are not tried again.
inline constexpr std::size_t kMaxKeptBytes = 64U << 20;
/// Mirrored requests of a worker at once, and the bytes of bodies that wait to be sent to mirrors,
/// one's and all together; beyond them a mirrored request is given up.
inline constexpr std::size_t kMaxMirrors = 1024;
inline constexpr std::size_t kMirrorBytes = 1U << 20;
inline constexpr std::size_t kMaxMirrorBytes = 32U << 20;

using mesh::kMaxWaypointsPassed;

struct ExchangeSettings {
  http::PathNormalization path_normalization = http::PathNormalization::kBase;
  /// Our own SPIFFE id, which x-forwarded-client-cert names; empty: none.
  std::string identity;
  /// Of all workers, which outlive the context; null: there is one.
  SharedCounts* counts = nullptr;
  /// Of a request's body, kept for further attempts.
  std::size_t retry_buffer_bytes = http::Limits{}.retry_buffer_bytes;
  /// Of a tunnel (a websocket) of which one side has ended: when nothing came of the other for so
  /// long it is cut, within as much again.
  std::chrono::milliseconds half_open_timeout = ServerOptions{}.stream_idle_timeout;
};

/// Is told of each exchange once it is over; and before, where somebody watches.
class ExchangeLog {
 public:
  virtual ~ExchangeLog() = default;
  /// `record` is valid during the call.
  virtual void ended(const telemetry::ExchangeRecord& record) = 0;
  /// Its route is chosen. Gives it a number (watched_as) if somebody watches at `now`.
  virtual void began(telemetry::ExchangeRecord& /*record*/, io::Deadline /*now*/) {}
  /// Of what has a number: kAttempt and kAnswer.
  virtual void went_on(const telemetry::ExchangeRecord& /*record*/,
                       telemetry::ExchangeEvent /*event*/,
                       const telemetry::AttemptRecord& /*attempt*/) {}
};

class ExchangeContext {
 public:
  /// All outlive this.
  ExchangeContext(const ExchangeSettings& settings, UpstreamConnections& connections,
                  ExchangeLog& log, proxy::Parties& parties, std::uint64_t seed);
  ~ExchangeContext();  // close() came before

  /// For requests from now on. `self`: as UpstreamClusters::take_view().
  void take_view(ViewPtr view, mesh::WorkloadPtr self = nullptr);
  /// Gives up what mirrored requests there are, and waits for their fibers. Once.
  io::Task<> close();

  const ExchangeSettings& settings() const { return settings_; }
  const ViewPtr& view() const { return view_; }
  UpstreamClusters& clusters() { return clusters_; }
  UpstreamConnections& connections() { return connections_; }
  ExchangeLog& log() { return log_; }
  proxy::Parties& parties() { return parties_; }
  l7::Random& random() { return random_; }
  io::Scope& mirrors() { return mirrors_; }

  /// Memory of an exchange that is over, for the next.
  std::unique_ptr<ExchangeMemory> take_memory();
  void give_back(std::unique_ptr<ExchangeMemory> memory);

  struct Counts {
    std::size_t kept_bytes = 0;
    std::size_t mirror_bytes = 0;
    std::uint64_t mirrors_given_up = 0;  // since the start: over one of the bounds
  };
  Counts counts;

 private:
  const ExchangeSettings& settings_;
  UpstreamConnections& connections_;
  ExchangeLog& log_;
  proxy::Parties& parties_;
  ViewPtr view_ = std::make_shared<const View>();
  UpstreamClusters clusters_;
  l7::Random random_;
  io::Scope mirrors_;
  std::vector<std::unique_ptr<ExchangeMemory>> spare_;
};

}  // namespace culvert::waypoint
