// ztunnel's side of ZDS: which workloads to start and stop for each message of the agent. A state
// machine without sockets or clock, on ztunnel's main thread; outlives connections.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "culvert/zds/messages.hpp"

namespace culvert::zds {

/// What to do before the ack: first stop, then start.
struct Step {
  std::vector<std::string> stop;  // uids, running or pending: close all that is theirs
  std::optional<Workload> start;  // in the netns whose descriptor came with the packet
};

/// Use: connected() -> send its bytes; for each packet on_packet() -> do the step -> finish() ->
/// send its bytes. When the connection is lost: disconnected(); workloads keep running.
class Client {
 public:
  /// A new connection: the hello to send. Forgets what the last connection's snapshot named.
  std::string connected();
  void disconnected();

  /// `netns_cookie` of the descriptor that came with the packet, nullopt when none came. A workload
  /// that already runs in the same netns is not started again; in another one it is replaced.
  /// An error breaks the protocol (a Keep after the snapshot, a Del before it, a descriptor too
  /// many or too few): send encode_ack(its text), close, connect again.
  Result<Step> on_packet(std::span<const std::byte> packet,
                         std::optional<std::uint64_t> netns_cookie);
  /// After the step was done; `start_error` is why its start failed, empty when it did not. Returns
  /// the ack to send. A workload that failed is pending: try it again, report by retried().
  std::string finish(std::string_view start_error = {});

  /// Workloads whose start failed; the caller keeps their descriptors and retries.
  std::vector<Workload> pending() const;
  /// A retry of a pending workload succeeded; false: it was removed meanwhile, stop it again.
  bool retried(const std::string& uid);

  /// Connected, snapshot complete, nothing pending.
  bool ready() const { return connected_ && snapshot_done_ && pending_count_ == 0; }
  /// Running or pending.
  bool knows(const std::string& uid) const { return workloads_.contains(uid); }

 private:
  struct Entry {
    Workload workload;
    std::uint64_t netns_cookie = 0;
    bool running = false;
  };

  Result<Step> on_add(const Workload& workload, std::uint64_t netns_cookie);
  Step on_snapshot();
  void erase(std::map<std::string, Entry>::iterator it);
  void set_running(Entry& entry, bool running);

  bool connected_ = false;
  bool snapshot_done_ = false;
  std::set<std::string> snapshot_;  // uids named on this connection before SnapshotSent
  std::map<std::string, Entry> workloads_;
  std::size_t pending_count_ = 0;
  std::string starting_;  // uid of the step in progress
};

}  // namespace culvert::zds
