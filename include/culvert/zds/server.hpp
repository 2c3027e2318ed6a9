// The agent's side of one ZDS connection: what to send next so that ztunnel knows the pods that the
// agent wants it to know. A state machine without sockets or clock, on the agent's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "culvert/zds/messages.hpp"

namespace culvert::zds {

inline constexpr std::chrono::seconds kRetryDelay{5};   // after an ack with an error
inline constexpr std::chrono::seconds kAckTimeout{10};  // then the connection is given up

/// Lock-step: one request outstanding. After hello every pod is added (or kept), then SnapshotSent,
/// then adds and dels as they come. The agent sets its pods at any time, also before hello.
class ServerConnection {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  enum class PodState { kPending, kAcked, kFailed };
  struct PodStatus {
    PodState state = PodState::kPending;
    std::string error;  // ztunnel's words, of the last failed attempt
  };
  struct Send {
    std::string packet;
    std::string attach_netns_of;  // uid whose netns descriptor goes with the packet; empty: none
  };

  /// The agent wants ztunnel to serve this pod in that netns. `netns_at_hand` false: a descriptor
  /// cannot be had, so ztunnel is asked to keep it, which only a snapshot can do. May be repeated;
  /// with other facts or another netns it is sent again.
  void add(const Workload& workload, std::uint64_t netns_cookie, bool netns_at_hand = true);
  /// No longer; harmless for an unknown uid.
  void remove(const std::string& uid);

  /// False while the agent does not know all of its pods yet: they are told as they come, but the
  /// snapshot does not end, so that ztunnel forgets none. True unless said otherwise.
  void set_complete(bool complete) { complete_ = complete; }

  /// A packet of ztunnel: hello first, then acks. An error means: close the connection.
  Result<void> on_packet(std::span<const std::byte> packet, TimePoint now);
  /// The next packet to send, if one may be sent now; it is outstanding from then on. kTimeout: an
  /// ack is overdue, close the connection.
  Result<std::optional<Send>> next(TimePoint now);
  /// When next() should be asked again though no packet came and no pod changed.
  std::optional<TimePoint> next_deadline() const;

  /// nullopt for a pod that is not wanted.
  std::optional<PodStatus> status(const std::string& uid) const;
  /// SnapshotSent was acked: ztunnel knows all.
  bool synced() const { return phase_ == Phase::kSynced; }

 private:
  enum class Phase { kHello, kSnapshot, kSynced };
  struct Pod {
    Workload workload;
    std::uint64_t netns_cookie = 0;
    bool netns_at_hand = true;
    bool wanted = true;
    bool told = false;  // sent on this connection, acked without error
    std::optional<TimePoint> retry_at;
    std::string error;
  };
  struct Outstanding {
    Request request;
    std::string uid;  // empty for SnapshotSent
    TimePoint since;
    bool stale = false;  // the pod changed while its request was on the way
  };

  std::optional<Request> choose(TimePoint now) const;
  bool due(const Pod& pod, TimePoint now) const;
  void on_ack(const Ack& ack, TimePoint now);
  void give_up(const std::string& uid, const char* reason);
  bool on_the_way(const std::string& uid) const { return outstanding_ && outstanding_->uid == uid; }

  Phase phase_ = Phase::kHello;
  bool complete_ = true;
  std::map<std::string, Pod> pods_;
  std::optional<Outstanding> outstanding_;
};

}  // namespace culvert::zds
