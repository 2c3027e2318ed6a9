#include "conversation.hpp"

#include <algorithm>

namespace culvert::agent {

std::optional<Step> Conversation::next(const Handover::Pods& wanted, bool complete, Clock::time_point now) const {
  if (!complete) return std::nullopt;
  if (snapshot_ended_) {
    for (const auto& [uid, told] : told_) {
      const auto found = wanted.find(uid);
      // Another namespace under the same uid: the old one first.
      if (found == wanted.end() || found->second.netns_cookie != told.netns_cookie) return RemovePod{uid};
    }
  }
  for (const auto& [uid, pod] : wanted) {
    const auto found = told_.find(uid);
    if (found == told_.end()) return AddPod{pod};
    const Told& told = found->second;
    if (snapshot_ended_ && !told.error.empty() && told.retry_at <= now) return AddPod{pod};
  }
  if (!snapshot_ended_) return EndSnapshot{};
  return std::nullopt;
}

void Conversation::answered(const Step& step, const std::string& error, Clock::time_point now) {
  if (const auto* add = std::get_if<AddPod>(&step)) {
    Told& told = told_[add->pod.spec.uid];
    told.netns_cookie = add->pod.netns_cookie;
    told.error = error;
    if (error.empty()) {
      told.delay = {};
      return;
    }
    told.delay = std::clamp(told.delay * 2, kFirstRetry, kMaxRetry);
    told.retry_at = now + told.delay;
  } else if (const auto* remove = std::get_if<RemovePod>(&step)) {
    told_.erase(remove->uid);
  } else {
    snapshot_ended_ = true;
  }
}

Conversation::Clock::time_point Conversation::retry_at() const {
  auto earliest = Clock::time_point::max();
  for (const auto& [uid, told] : told_) {
    if (!told.error.empty()) earliest = std::min(earliest, told.retry_at);
  }
  return earliest;
}

void Conversation::report(Handover& handover) const {
  for (const auto& [uid, told] : told_) {
    handover.answered(uid, told.netns_cookie, told.error.empty() ? ZtunnelState::kAcked : ZtunnelState::kFailed,
                      told.error);
  }
}

}  // namespace culvert::agent
