// Decides again about live connections when a policy that can concern them changed, by the same
// authorize() that let them in, and cuts those that it refuses now. One a worker, on its thread.
#pragma once

#include <chrono>
#include <cstddef>

#include "culvert/io/scope.hpp"
#include "culvert/mesh/policy_change.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/trust_counters.hpp"

namespace culvert::proxy {

/// Entries that one turn of the loop looks at, so that 100,000 connections stall nobody.
inline constexpr std::size_t kRecheckBatch = 512;
/// A live connection whose workload names a policy that has not arrived waits so long for it: the
/// two may come in different messages. New connections are refused at once.
inline constexpr auto kUnknownPolicyGrace = std::chrono::seconds(5);

class Recheck {
 public:
  /// All outlive it. `current` is the worker's snapshot, whichever it is by then; `fibers` runs the
  /// walks.
  Recheck(LiveConnections& table, const mesh::SnapshotPtr& current, TrustCounters& counters,
          io::Scope& fibers)
      : table_(table), current_(current), counters_(counters), fibers_(fibers) {}

  /// The snapshot has changed so. Changes that come while a walk is under way make one more walk.
  void policies_changed(mesh::PolicyChange change);

 private:
  io::Task<> walk_all();
  io::Task<> settle_unknown();
  void decide(LiveConnection& entry, bool last_time);

  LiveConnections& table_;
  const mesh::SnapshotPtr& current_;
  TrustCounters& counters_;
  io::Scope& fibers_;
  mesh::PolicyChange pending_;
  bool walking_ = false;
  bool settling_ = false;
};

}  // namespace culvert::proxy
