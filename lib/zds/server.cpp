// The agent's ZDS state machine: next() compares what is wanted with what ztunnel was told.
#include "culvert/zds/server.hpp"

#include <algorithm>
#include <utility>

namespace culvert::zds {
namespace {

constexpr char kNoNetns[] = "the pod's network namespace is not at hand";

std::string uid_of(const Request& request) {
  if (const auto* add = std::get_if<Add>(&request)) return add->workload.uid;
  if (const auto* keep = std::get_if<Keep>(&request)) return keep->uid;
  if (const auto* del = std::get_if<Del>(&request)) return del->uid;
  return {};
}

}  // namespace

void ServerConnection::add(const Workload& workload, std::uint64_t netns_cookie,
                           bool netns_at_hand) {
  const auto [it, fresh] = pods_.try_emplace(workload.uid);
  Pod& pod = it->second;
  const bool changed = fresh || pod.workload != workload || pod.netns_cookie != netns_cookie;
  pod.netns_at_hand = netns_at_hand;
  pod.wanted = true;
  if (!changed) return;
  pod.workload = workload;
  pod.netns_cookie = netns_cookie;
  pod.told = false;
  pod.retry_at.reset();
  pod.error.clear();
  if (on_the_way(workload.uid)) outstanding_->stale = true;
}

void ServerConnection::remove(const std::string& uid) {
  const auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  // ztunnel holds on to a pod whose start failed, so that one must be deleted too.
  const bool known = it->second.told || it->second.retry_at || on_the_way(uid);
  it->second.wanted = false;
  if (!known) pods_.erase(it);
}

Result<void> ServerConnection::on_packet(std::span<const std::byte> packet, TimePoint now) {
  if (phase_ == Phase::kHello) {
    if (auto hello = check_hello(packet); !hello) return hello;
    phase_ = Phase::kSnapshot;
    return {};
  }
  const auto ack = decode_ack(packet);
  if (!ack) return std::unexpected(ack.error());
  if (!outstanding_) return fail(ErrorCode::kProtocol, "ZDS ack that nobody waits for");
  on_ack(*ack, now);
  return {};
}

void ServerConnection::on_ack(const Ack& ack, TimePoint now) {
  const Outstanding done = *std::exchange(outstanding_, std::nullopt);
  if (std::holds_alternative<SnapshotSent>(done.request)) {
    // Its error, if any, is about pods that were added; those had acks of their own.
    phase_ = Phase::kSynced;
    return;
  }
  const auto it = pods_.find(done.uid);
  if (it == pods_.end()) return;
  if (std::holds_alternative<Del>(done.request)) {
    it->second.told = false;
    if (!it->second.wanted) pods_.erase(it);
    return;
  }
  if (done.stale) return;
  Pod& pod = it->second;
  pod.told = ack.error.empty();
  pod.error = ack.error;
  pod.retry_at.reset();
  if (!pod.told) pod.retry_at = now + kRetryDelay;
}

bool ServerConnection::due(const Pod& pod, TimePoint now) const {
  if (!pod.wanted || pod.told) return false;
  return !pod.retry_at || now >= *pod.retry_at;
}

std::optional<Request> ServerConnection::choose(TimePoint now) const {
  for (const auto& [uid, pod] : pods_) {
    // A pod that went away while the snapshot was on its way is deleted after it.
    if (!pod.wanted) {
      if (phase_ == Phase::kSynced) return Del{uid};
    } else if (phase_ == Phase::kSnapshot && pod.retry_at) {
      continue;  // failed in this snapshot: again after it
    } else if (due(pod, now)) {
      if (pod.netns_at_hand) return Add{pod.workload};
      if (phase_ == Phase::kSnapshot) return Keep{uid};
    }
  }
  if (phase_ == Phase::kSnapshot && complete_) return SnapshotSent{};
  return std::nullopt;
}

Result<std::optional<ServerConnection::Send>> ServerConnection::next(TimePoint now) {
  if (outstanding_) {
    if (now - outstanding_->since >= kAckTimeout) {
      return fail(ErrorCode::kTimeout, "ztunnel's ZDS ack is overdue");
    }
    return std::nullopt;
  }
  if (phase_ == Phase::kHello) return std::nullopt;
  auto request = choose(now);
  if (!request) return std::nullopt;
  const std::string uid = uid_of(*request);
  auto packet = encode(*request);
  if (!packet) {
    give_up(uid, packet.error().text);
    return next(now);
  }
  Send send{.packet = std::move(*packet), .attach_netns_of = {}};
  if (std::holds_alternative<Add>(*request)) send.attach_netns_of = uid;
  outstanding_ = Outstanding{.request = std::move(*request), .uid = uid, .since = now};
  return send;
}

// Cannot be said in this protocol (names too long): told in its status until it changes.
void ServerConnection::give_up(const std::string& uid, const char* reason) {
  const auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  if (!it->second.wanted) {
    pods_.erase(it);
    return;
  }
  it->second.error = reason;
  it->second.retry_at = TimePoint::max();
}

std::optional<ServerConnection::TimePoint> ServerConnection::next_deadline() const {
  if (outstanding_) return outstanding_->since + kAckTimeout;
  std::optional<TimePoint> first;
  for (const auto& [uid, pod] : pods_) {
    if (!pod.wanted || !pod.retry_at || *pod.retry_at == TimePoint::max()) continue;
    first = std::min(first.value_or(TimePoint::max()), *pod.retry_at);
  }
  return first;
}

std::optional<ServerConnection::PodStatus> ServerConnection::status(const std::string& uid) const {
  const auto it = pods_.find(uid);
  if (it == pods_.end() || !it->second.wanted) return std::nullopt;
  const Pod& pod = it->second;
  if (pod.told) return PodStatus{.state = PodState::kAcked, .error = {}};
  if (pod.retry_at) return PodStatus{.state = PodState::kFailed, .error = pod.error};
  if (!pod.netns_at_hand && phase_ == Phase::kSynced) {
    return PodStatus{.state = PodState::kFailed, .error = kNoNetns};
  }
  return PodStatus{};
}

}  // namespace culvert::zds
