// One Unix socket (0600) for each Node object, and one for each pod of a waypoint or edge; it comes
// and goes with the object. Which socket a connection came in on is who asks: file permissions, and
// for a pod what it is shown of the file system, authenticate it. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/grpc/server.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::control {

inline constexpr std::size_t kMaxConnectionsPerPeer = 16;
inline constexpr int kPeerBacklog = 16;

class PeerSockets {
 public:
  /// `server` and `fibers` outlive it; every fiber of a peer is a child of `fibers`.
  PeerSockets(std::string folder, grpc::Server& server, io::Scope& fibers);
  /// After its fibers have ended.
  ~PeerSockets();

  /// Opens the sockets that are missing (peers.hpp: socket_path), and closes those of other peers
  /// with their connections. The folder of a proxy's socket is made if it is not there, and stays:
  /// it may be shown to a pod.
  void set_peers(std::set<std::string> peers);
  /// Why a peer has no socket; empty when it has one.
  std::string error_of(const std::string& peer) const;
  /// Removes what a killed predecessor left: sockets that nobody listens on. Looks several
  /// times, because the kernel lets go of a killed process's listeners a moment later.
  io::Task<> remove_stale();

 private:
  struct Peer;
  void reconcile();
  void remove_unanswered() const;
  Result<void> open(const std::string& name);
  static io::Task<> own(PeerSockets* self, Peer* peer);
  static io::Task<> accept_connections(PeerSockets* self, Peer* peer);
  static io::Task<> serve(PeerSockets* self, Peer* peer, int fd);
  const std::string folder_;
  grpc::Server& server_;
  io::Scope& fibers_;
  std::set<std::string> wanted_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::map<std::string, std::string> errors_;
};

}  // namespace culvert::control
