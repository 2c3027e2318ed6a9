#include "verified_peers.hpp"

#include <utility>

namespace culvert::tls {

VerifiedPeers& VerifiedPeers::of_this_thread() {
  thread_local VerifiedPeers peers;
  return peers;
}

const VerifiedPeer* VerifiedPeers::find(const Key& key, TimePoint now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto entry = found->second;
  if (now < entry->peer.not_before || now >= entry->peer.not_after) {
    recent_first_.erase(entry);
    by_key_.erase(found);
    return nullptr;
  }
  recent_first_.splice(recent_first_.begin(), recent_first_, entry);
  ++hits_;
  return &entry->peer;
}

void VerifiedPeers::put(const Key& key, VerifiedPeer peer) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    recent_first_.erase(found->second);
    by_key_.erase(found);
  }
  if (by_key_.size() == max_peers_) {
    by_key_.erase(recent_first_.back().key);
    recent_first_.pop_back();
  }
  recent_first_.push_front({key, std::move(peer)});
  by_key_.emplace(key, recent_first_.begin());
}

}  // namespace culvert::tls
