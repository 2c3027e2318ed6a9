#include "culvert/proxy/live_tunnels.hpp"

#include <cassert>

#include "culvert/base/log.hpp"

namespace culvert::proxy {

LiveTunnels::~LiveTunnels() {
  assert(size_ == 0 && "tunnels end before their table");
}

void LiveTunnels::add(LiveTunnel& tunnel) {
  tunnel.next = first_;
  if (first_ != nullptr) first_->previous = &tunnel;
  first_ = &tunnel;
  ++size_;
}

void LiveTunnels::remove(LiveTunnel& tunnel) {
  (tunnel.previous == nullptr ? first_ : tunnel.previous->next) = tunnel.next;
  if (tunnel.next != nullptr) tunnel.next->previous = tunnel.previous;
  --size_;
}

std::size_t LiveTunnels::end_revoked(const tls::RevocationList& revoked,
                                     LiveConnections& connections) {
  std::size_t ended = 0;
  for (LiveTunnel* tunnel = first_; tunnel != nullptr; tunnel = tunnel->next) {
    const tls::PeerCertificate& peer = *tunnel->peer;
    if (tunnel->connection->closed() || !revoked.contains_any(peer.chain)) continue;
    connections.for_each([&](LiveConnection& one) {
      if (one.peer_certificate != nullptr && *one.peer_certificate == peer.sha256) {
        connections.cut(one, Cut::kRevoked);
      }
    });
    tunnel->connection->abort(ErrorCode::kTls);
    log::warn("a tunnel is ended: the certificate of {} was revoked", peer.identity);
    ++ended;
  }
  return ended;
}

void LiveTunnels::free_idle_buffers(io::Deadline since) {
  for (LiveTunnel* tunnel = first_; tunnel != nullptr; tunnel = tunnel->next) {
    if (tunnel->connection->last_received() < since) tunnel->connection->free_idle_buffers();
  }
}

TunnelEntry::TunnelEntry(LiveTunnels& table, const tls::PeerCertificate& certificate,
                         h2::Connection& tunnel_connection)
    : table_(table) {
  peer = &certificate;
  connection = &tunnel_connection;
  table_.add(*this);
}

}  // namespace culvert::proxy
