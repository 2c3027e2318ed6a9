// The tunnels of one local pod to other workloads: each a TLS connection with HTTP/2, opened from
// the pod's own namespace with its own identity, shared by its connections. One a (pod, worker), so
// it needs no lock; keyed by the destination workload's uid, since addresses are reused by new
// pods.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "culvert/h2/connection.hpp"
#include "culvert/io/event.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/tls/session.hpp"
#include "ztunnel/live/live_tunnels.hpp"
#include "ztunnel/worker/descriptor_share.hpp"
#include "ztunnel/worker/measured.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

/// A TLS + HTTP/2 connection to one workload. Lives as long as a stream of it or its run() fiber.
struct Tunnel {
  std::unique_ptr<h2::Connection> connection;
  tls::PeerCertificate peer;  // what the peer proved
  int fd = -1;                // of the connection, for measures
  std::optional<DescriptorLease> lease;
  std::optional<Measured> measured;  // declared behind the connection: it ends first
  std::optional<TunnelEntry> live;   // declared last: it leaves the table first
};

/// A CONNECT that was answered with 200.
struct OpenedStream {
  std::shared_ptr<Tunnel> tunnel;  // declared first: the stream ends before its tunnel
  h2::Stream stream;
};

class TunnelPool {
 public:
  /// Both outlive the pool; tunnels run as fibers of `pod.scope`.
  TunnelPool(Worker& worker, LocalPod& pod) : worker_(worker), pod_(pod) {}

  /// Opens a CONNECT stream to route.workload, over a pooled tunnel if one has room. One tunnel a
  /// destination is being made at a time; who comes meanwhile waits for it and shares its failure.
  /// A stream that the peer refused unprocessed (GOAWAY, REFUSED_STREAM) is tried on another
  /// tunnel. Errors have origin kUpstream, or kLocal/kControl before the network was reached:
  /// kNoCertificate, kLimit (the pod's share of descriptors), kTimeout, kRefused, kTls, kIdentity,
  /// kDenied (401), kProtocol (another status).
  io::Task<Result<OpenedStream>> connect(const mesh::Route& route, const mesh::Workload& source,
                                         h2::Headers request);

  /// Tells every tunnel that it gets no more streams; a later connect() makes another one, which is
  /// told after its first.
  void drain();
  std::size_t tunnels() const;

 private:
  using Key = std::pair<std::string, SocketAddress>;  // workload uid, where it is dialed
  struct Attempt {
    io::Event done;
    bool finished = false;
    Error failure;  // when finished without a tunnel
    bool failed = false;
  };
  struct Entry {
    std::vector<std::shared_ptr<Tunnel>> tunnels;
    std::shared_ptr<Attempt> attempt;  // under way
  };

  io::Task<Result<std::shared_ptr<Tunnel>>> find_or_make(const mesh::Route& route,
                                                         const mesh::Workload& source);
  io::Task<Result<std::shared_ptr<Tunnel>>> make(const mesh::Route& route,
                                                 const mesh::Workload& source);
  io::Task<> run(Key key, std::shared_ptr<Tunnel> tunnel);
  io::Task<> close_when_idle(const Key* key, const Tunnel* tunnel);
  bool is_spare(const Key& key, const Tunnel& tunnel) const;
  void forget(const Key& key, const Tunnel& tunnel);

  Worker& worker_;
  LocalPod& pod_;
  std::map<Key, Entry> entries_;
};

}  // namespace culvert::ztunnel
