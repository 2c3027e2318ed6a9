// The tunnels that a worker holds open, outgoing and accepted, each with what its peer proved, so
// that a revoked peer's can be ended. One table a worker, on its thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "culvert/h2/connection.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/tls/session.hpp"

namespace culvert::proxy {

struct LiveTunnel {
  const tls::PeerCertificate* peer = nullptr;
  h2::Connection* connection = nullptr;
  LiveTunnel* previous = nullptr;
  LiveTunnel* next = nullptr;
};

class LiveTunnels {
 public:
  LiveTunnels() = default;
  LiveTunnels(const LiveTunnels&) = delete;
  LiveTunnels& operator=(const LiveTunnels&) = delete;
  ~LiveTunnels();

  void add(LiveTunnel& tunnel);
  void remove(LiveTunnel& tunnel);
  std::size_t size() const { return size_; }

  /// Ends every tunnel whose peer's chain is in `revoked`: first its connections are cut
  /// (Cut::kRevoked), then the tunnel. Returns how many tunnels.
  std::size_t end_revoked(const tls::RevocationList& revoked, LiveConnections& connections);

  /// Frees the empty buffers of those that have received nothing since.
  void free_idle_buffers(io::Deadline since);

 private:
  LiveTunnel* first_ = nullptr;
  std::size_t size_ = 0;
};

/// A tunnel's registration for the life of this object.
class TunnelEntry : public LiveTunnel {
 public:
  /// All outlive it.
  TunnelEntry(LiveTunnels& table, const tls::PeerCertificate& certificate,
              h2::Connection& tunnel_connection);
  TunnelEntry(const TunnelEntry&) = delete;
  TunnelEntry& operator=(const TunnelEntry&) = delete;
  ~TunnelEntry() { table_.remove(*this); }

 private:
  LiveTunnels& table_;
};

}  // namespace culvert::proxy
