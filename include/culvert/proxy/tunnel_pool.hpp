// The tunnels of one owner (a local pod of ztunnel, a worker of a waypoint) to other workloads:
// each a TLS connection with HTTP/2, opened with the owner's identity, shared by its connections.
// One a (owner, worker), so it needs no lock; keyed by the destination workload's uid, since
// addresses are reused by new pods.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "culvert/h2/budget.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/io/event.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/proxy/credentials.hpp"
#include "culvert/proxy/live_tunnels.hpp"
#include "culvert/tls/session.hpp"

namespace culvert::proxy {

/// What a tunnel holds of its owner besides memory, for its life; dies before its descriptor is
/// closed.
class TunnelPlace {
 public:
  virtual ~TunnelPlace() = default;
  /// The connection stands: `fd`, from `source` to `destination`.
  virtual void connected(int fd, const mesh::Workload& source,
                         const mesh::Workload& destination) = 0;
};

/// Whose tunnels they are: the seam between the pool and the process that it is part of. On the
/// loop of its worker.
class TunnelOwner {
 public:
  virtual ~TunnelOwner() = default;
  /// Room for one more descriptor; null when there is none.
  virtual std::unique_ptr<TunnelPlace> take_place() = 0;
  /// The certificate of an identity of the owner's; waits for it. kNoCertificate at the deadline.
  virtual io::Task<Result<Credentials>> credentials_of(std::string identity,
                                                       io::Deadline deadline) = 0;
  /// A TCP connection. Errors have origin kUpstream when the peer refused or is away.
  virtual io::Task<Result<UniqueFd>> dial(SocketAddress to, io::Deadline deadline) = 0;
  virtual const tls::RevocationListPtr& revoked() const = 0;
  /// Counts those that failed because a certificate was revoked.
  virtual void note_handshake_failure(const Error& error) = 0;
  virtual LiveTunnels& live_tunnels() = 0;
  /// What its HTTP/2 streams may hold.
  virtual h2::Budget& stream_bytes() = 0;
  /// Tunnels get no more streams than they have.
  virtual bool draining() const = 0;
  /// Runs the tunnels' fibers; joined before the pool dies.
  virtual io::Scope& fibers() = 0;
};

/// A TLS + HTTP/2 connection to one workload. Lives as long as a stream of it or its run() fiber.
struct Tunnel {
  std::unique_ptr<h2::Connection> connection;
  tls::PeerCertificate peer;           // what the peer proved
  int fd = -1;                         // of the connection, for measures
  std::unique_ptr<TunnelPlace> place;  // declared behind the connection: it ends first
  std::optional<TunnelEntry> live;     // declared last: it leaves the table first
};

/// A CONNECT that was answered with 200.
struct OpenedStream {
  std::shared_ptr<Tunnel> tunnel;  // declared first: the stream ends before its tunnel
  h2::Stream stream;
};

class TunnelPool {
 public:
  /// `owner` outlives the pool.
  explicit TunnelPool(TunnelOwner& owner) : owner_(owner) {}

  /// Opens a CONNECT stream to route.workload, over a pooled tunnel if one has room. One tunnel a
  /// destination is being made at a time; who comes meanwhile waits for it and shares its failure;
  /// it is made also when all who waited have gone away. Later than `deadline`: kTimeout.
  /// A stream that the peer refused unprocessed (GOAWAY, REFUSED_STREAM) is tried on another
  /// tunnel. Errors have origin kUpstream, or kLocal/kControl before the network was reached:
  /// kNoCertificate, kLimit (the owner has no room), kTimeout, kRefused, kTls, kIdentity,
  /// kDenied (401), kProtocol (another status).
  io::Task<Result<OpenedStream>> connect(const mesh::Route& route, const mesh::Workload& source,
                                         h2::Headers request,
                                         io::Deadline deadline = io::kNoDeadline);

  /// Tells every tunnel that it gets no more streams; a later connect() makes another one, which is
  /// told after its first.
  void drain();
  std::size_t tunnels() const;

 private:
  using Key = std::pair<std::string, SocketAddress>;  // workload uid, where it is dialed
  struct Attempt {
    io::Event done;
    bool finished = false;
    std::shared_ptr<Tunnel> tunnel;  // when finished with one
    std::optional<Error> failure;    // else
  };
  struct Entry {
    std::vector<std::shared_ptr<Tunnel>> tunnels;
    std::shared_ptr<Attempt> attempt;  // under way
  };

  io::Task<Result<std::shared_ptr<Tunnel>>> find_or_make(const mesh::Route& route,
                                                         const mesh::Workload& source,
                                                         io::Deadline deadline);
  io::Task<> attempt(Key key, mesh::Route route, mesh::Workload source,
                     std::shared_ptr<Attempt> attempt);
  io::Task<Result<std::shared_ptr<Tunnel>>> make(const mesh::Route& route,
                                                 const mesh::Workload& source);
  io::Task<> run(Key key, std::shared_ptr<Tunnel> tunnel);
  io::Task<> close_when_idle(const Key* key, const Tunnel* tunnel);
  bool is_spare(const Key& key, const Tunnel& tunnel) const;
  void forget(const Key& key, const Tunnel& tunnel);

  TunnelOwner& owner_;
  std::map<Key, Entry> entries_;
};

}  // namespace culvert::proxy
