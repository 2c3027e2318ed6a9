#include "handover.hpp"

#include <algorithm>

#include "culvert/base/log.hpp"

namespace culvert::agent {

void Handover::add(const Pod& pod) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = pods_.find(pod.spec.uid);
    if (found != pods_.end() && found->second == pod) return;
    pods_[pod.spec.uid] = pod;
    states_.erase(pod.spec.uid);
  }
  if (changed_) changed_();
}

void Handover::remove(const std::string& uid) {
  {
    const std::lock_guard lock(mutex_);
    if (pods_.erase(uid) == 0) return;
    states_.erase(uid);
  }
  answered_.notify_all();
  if (changed_) changed_();
}

void Handover::set_complete() {
  {
    const std::lock_guard lock(mutex_);
    complete_ = true;
  }
  if (changed_) changed_();
}

Handover::Pods Handover::pods() const {
  const std::lock_guard lock(mutex_);
  return pods_;
}

bool Handover::complete() const {
  const std::lock_guard lock(mutex_);
  return complete_;
}

void Handover::answered(const std::string& uid, std::uint64_t cookie, ZtunnelState state,
                        std::string error) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = pods_.find(uid);
    if (found == pods_.end() || found->second.netns_cookie != cookie) return;
    Handed& handed = states_[uid];
    if (handed.state == state && handed.error == error) return;
    if (state == ZtunnelState::kFailed) log::warn("ztunnel did not take pod {}: {}", uid, error);
    handed = {state, std::move(error)};
  }
  answered_.notify_all();
}

void Handover::served(bool connected) {
  const std::lock_guard lock(mutex_);
  connected_ = connected;
  states_.clear();
}

bool Handover::connected() const {
  const std::lock_guard lock(mutex_);
  return connected_;
}

Handed Handover::state_locked(const std::string& uid) const {
  const auto found = states_.find(uid);
  return found == states_.end() ? Handed{} : found->second;
}

Handed Handover::state(const std::string& uid) const {
  const std::lock_guard lock(mutex_);
  return state_locked(uid);
}

Handed Handover::wait(const std::string& uid, std::chrono::milliseconds at_most) const {
  const auto end = std::chrono::steady_clock::now() + at_most;
  std::unique_lock lock(mutex_);
  const auto answered = [&] {
    return !pods_.contains(uid) || state_locked(uid).state != ZtunnelState::kPending;
  };
  while (!answered()) {
    const auto until = std::min(end, end_);
    if (std::chrono::steady_clock::now() >= until) break;
    answered_.wait_until(lock, until);
  }
  return state_locked(uid);
}

void Handover::answer_by(std::chrono::steady_clock::time_point end) {
  {
    const std::lock_guard lock(mutex_);
    end_ = end;
  }
  answered_.notify_all();
}

}  // namespace culvert::agent
