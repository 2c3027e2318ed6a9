// TunnelDialer: how a worker reaches endpoints: over HBONE what is in the mesh, by plain TCP what
// is not. Owned by the worker; lives on its loop.
#pragma once

#include <optional>
#include <span>
#include <variant>

#include "culvert/mesh/route.hpp"
#include "culvert/proxy/tunnel_pool.hpp"
#include "waypoint/upstream/dialer.hpp"
#include "waypoint/view.hpp"

namespace culvert::waypoint {

class Worker;

/// A plain socket, counted in its worker's descriptors while it lives.
struct PlainSocket {
  std::unique_ptr<proxy::TunnelPlace> place;
  UniqueFd fd;
};
using Upstream = std::variant<proxy::OpenedStream, PlainSocket>;

class TunnelDialer final : public Dialer {
 public:
  explicit TunnelDialer(Worker& worker) : worker_(worker) {}  // outlives it

  io::Task<Result<std::unique_ptr<io::ByteStream>>> dial(const Endpoint& to, const Client& client,
                                                         const DialOptions& options) override;
  /// The same, for who relays bytes himself.
  io::Task<Result<Upstream>> open(Endpoint to, Client client, DialOptions options);

 private:
  io::Task<Result<Upstream>> open_plain(SocketAddress to, DialOptions options);

  Worker& worker_;
};

/// Where the ztunnel of `to` (in the mesh) is dialed by a pod with the addresses `own`: at the
/// endpoint's own address, or at another one of its workload if the pod has none of that family.
SocketAddress tunnel_address(const Endpoint& to, std::span<const IpAddress> own);

/// How a pod `self` with the addresses `own` reaches `to`, which a tunnel leads to: at its own
/// ztunnel or, where it is behind a waypoint, at that. At an edge an own waypoint of the workload
/// stands in front of it, as for clients' ztunnels: its replicas take turns, but for those in
/// `tried`. A waypoint goes past all others, and none is sent to from itself. kNoUpstream: no
/// replica is healthy. Pure.
Result<mesh::Route> route_to(const Endpoint& to, const View& view, const mesh::Workload& self,
                             std::span<const IpAddress> own, mesh::RoundRobin& turns,
                             std::span<const std::string> tried);

/// The CONNECT to the ztunnel of `to`: whom the waypoint speaks for goes with it. `self` describes
/// the waypoint where the client is not known. Pure.
Result<h2::Headers> upstream_request(const Endpoint& to, const Client& client,
                                     const mesh::Workload& self);

}  // namespace culvert::waypoint
