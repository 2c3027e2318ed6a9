// Peers whose certificate chains were verified, so that the next handshake of the same peer need
// not verify them again. One a thread: the workers' handshakes share no lock.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>

#include "culvert/tls/session.hpp"

namespace culvert::tls {

using Digest = std::array<std::uint8_t, 32>;

/// What a chain proved, and between which times. Nothing in it depends on who asks: expectations
/// and revocations are judged anew at every handshake.
struct VerifiedPeer {
  PeerCertificate peer;
  std::chrono::system_clock::time_point not_before;  // latest of the chain
  std::chrono::system_clock::time_point not_after;   // earliest of the chain
};

/// Bounded; the one that was not asked for the longest leaves first.
class VerifiedPeers {
 public:
  using TimePoint = std::chrono::system_clock::time_point;
  static constexpr std::size_t kMaxPeers = 1024;  // about 0.5 KiB each

  /// By which trust (Context::Impl::trust) and which leaf (SHA-256 of its DER). Two contexts share
  /// entries only when they trust the same roots for the same role, so that a root that is taken
  /// back takes its peers along.
  struct Key {
    Digest trust;
    Digest leaf;
    auto operator<=>(const Key&) const = default;
  };

  explicit VerifiedPeers(std::size_t max_peers = kMaxPeers) : max_peers_(max_peers) {}
  static VerifiedPeers& of_this_thread();

  /// nullptr when it is not here or `now` is outside of its time, which removes it. Valid until the
  /// next put().
  const VerifiedPeer* find(const Key& key, TimePoint now);
  void put(const Key& key, VerifiedPeer peer);
  std::size_t size() const { return by_key_.size(); }
  std::uint64_t hits() const { return hits_; }

 private:
  struct Entry {
    Key key;
    VerifiedPeer peer;
  };
  const std::size_t max_peers_;
  std::list<Entry> recent_first_;
  std::map<Key, std::list<Entry>::iterator> by_key_;
  std::uint64_t hits_ = 0;
};

}  // namespace culvert::tls
