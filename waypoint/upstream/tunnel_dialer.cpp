#include "waypoint/upstream/tunnel_dialer.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "culvert/hbone/headers.hpp"
#include "culvert/proxy/stream_bytes.hpp"
#include "culvert/proxy/workload_headers.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

void set_option(int fd, int level, int option, long value) {
  const int narrow = static_cast<int>(value);
  ::setsockopt(fd, level, option, &narrow, sizeof narrow);
}

void keep_alive_as(int fd, const l7::TcpKeepalive& wanted) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  const auto seconds = [](std::chrono::milliseconds time) {
    return std::max<long>(1, std::chrono::ceil<std::chrono::seconds>(time).count());
  };
  if (wanted.probes != 0) set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, wanted.probes);
  if (wanted.time.count() != 0) set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(wanted.time));
  if (wanted.interval.count() != 0) {
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(wanted.interval));
  }
}

// Bytes of a plain connection, whose place is given back with it.
class PlainBytes final : public io::ByteStream {
 public:
  explicit PlainBytes(PlainSocket socket)
      : place_(std::move(socket.place)), bytes_(std::move(socket.fd)) {}
  [[clang::coro_wrapper]] Task<Result<std::span<const std::uint8_t>>> read(
      io::Deadline deadline) override {
    return bytes_.read(deadline);
  }
  [[clang::coro_wrapper]] Task<Result<void>> write(std::span<const std::uint8_t> bytes,
                                                   io::Deadline deadline) override {
    return bytes_.write(bytes, deadline);
  }
  [[clang::coro_wrapper]] Task<> finish(io::Deadline deadline) override {
    return bytes_.finish(deadline);
  }
  void abort() override { bytes_.abort(); }

 private:
  std::unique_ptr<proxy::TunnelPlace> place_;
  io::FdStream bytes_;
};

/// By a tunnel: what is in the mesh, or behind a waypoint.
bool by_tunnel(const Endpoint& to, const View& view) {
  if (to.behind_waypoint != nullptr) return true;
  if (to.workload == nullptr) return false;
  if (view.is_edge() && to.workload->waypoint) return true;
  return to.workload->protocol_for(to.address.port) == mesh::TunnelProtocol::kHbone;
}

/// `wanted`, or the workload's address of a family that a pod with `own` has.
IpAddress reachable_address(const mesh::Workload& workload, const IpAddress& wanted,
                            std::span<const IpAddress> own) {
  const bool reachable =
      std::ranges::any_of(own, [&](const IpAddress& ip) { return ip.is_v4() == wanted.is_v4(); });
  if (reachable || own.empty()) return wanted;
  return workload.address_for(own.front()).value_or(wanted);
}

/// Replicas of a pod's own waypoint that one connection is tried at, as by a client's ztunnel.
constexpr std::size_t kOwnWaypointTries = 3;

/// One that drains, is gone or out of reach is not the only one; what the peer decided stands.
bool another_replica_may_do(const Error& error) {
  return error.origin == Origin::kUpstream && error.code != ErrorCode::kDenied &&
         error.code != ErrorCode::kProtocol && error.code != ErrorCode::kInvalid;
}

}  // namespace

SocketAddress tunnel_address(const Endpoint& to, std::span<const IpAddress> own) {
  const auto& service = to.behind_waypoint;
  const auto port = service ? service->waypoint->hbone_port : mesh::kHbonePort;
  const auto wanted =
      service ? to.workload->address_for(to.address.ip).value_or(IpAddress{}) : to.address.ip;
  return {reachable_address(*to.workload, wanted, own), port};
}

Result<mesh::Route> route_to(const Endpoint& to, const View& view, const mesh::Workload& self,
                             std::span<const IpAddress> own, mesh::RoundRobin& turns,
                             std::span<const std::string> tried) {
  if (to.behind_waypoint == nullptr && view.is_edge() && to.workload->waypoint) {
    auto route = mesh::route_to_workload(*view.mesh, to.workload, to.address, self, turns, tried);
    if (route && route->via_waypoint) {
      route->next_hop.ip = reachable_address(*route->workload, route->next_hop.ip, own);
      return route;
    }
    if (!route) return route;  // never past it; the waypoint itself goes on to the pod
  }
  mesh::Route route;
  route.protocol = mesh::Route::Protocol::kHbone;
  route.next_hop = tunnel_address(to, own);
  route.target = to.address;
  route.workload = to.workload;
  route.expected_identities.push_back(to.workload->identity());
  return route;
}

Result<h2::Headers> upstream_request(const Endpoint& to, const Client& client,
                                     const mesh::Workload& self) {
  hbone::ConnectRequest request;
  request.authority.target = to.address;
  if (to.behind_waypoint && to.address.ip.is_unspecified()) {
    request.authority.target = hbone::HostPort{to.behind_waypoint->hostname, to.address.port};
  }
  request.baggage = proxy::baggage_of(client.workload == nullptr ? self : *client.workload);
  if (client.identity) {
    request.forwarded = hbone::Forwarded{client.address, ""};
    request.source = hbone::OriginalSource{client.identity->to_string(), client.address};
  }
  const auto trace = proxy::trace_of(std::nullopt);
  request.traceparent = hbone::TraceParent{trace.id, trace.span, trace.flags};
  return hbone::build_connect(request);
}

Task<Result<Upstream>> TunnelDialer::open_plain(SocketAddress to, DialOptions options) {
  // What is there is this pod's own, its administration too, or the host's.
  if (to.ip.is_loopback() || to.ip.is_unspecified() || to.ip.is_link_local()) {
    co_return fail(ErrorCode::kInvalid, "an endpoint at loopback or a link-local address",
                   Origin::kUpstream);
  }
  PlainSocket socket;
  socket.place = worker_.take_place();
  if (socket.place == nullptr) co_return fail(ErrorCode::kLimit, "no room for a connection");
  auto fd = co_await worker_.dial(to, io::in(options.connect_timeout));
  if (!fd) co_return std::unexpected(fd.error());
  if (options.keepalive) keep_alive_as(fd->get(), *options.keepalive);
  socket.fd = std::move(*fd);
  co_return Upstream(std::move(socket));
}

Task<Result<Upstream>> TunnelDialer::open(Endpoint to, Client client, DialOptions options) {
  if (!by_tunnel(to, *worker_.view())) co_return co_await open_plain(to.address, options);
  const auto deadline = io::in(options.connect_timeout);
  const auto self = co_await worker_.self(std::min(deadline, io::in(kSelfWait)));
  if (!self) co_return std::unexpected(self.error());
  std::vector<std::string> tried;
  Error failure;
  while (true) {
    const auto route = route_to(to, *worker_.view(), **self, worker_.settings().pod_ips,
                                worker_.round_robin(), tried);
    if (!route) co_return std::unexpected(tried.empty() ? route.error() : failure);
    auto request = upstream_request(to, client, **self);
    if (!request) co_return std::unexpected(request.error());
    auto opened = co_await worker_.tunnels().connect(*route, **self, std::move(*request), deadline);
    if (opened) {
      if (options.keepalive) keep_alive_as(opened->tunnel->fd, *options.keepalive);
      co_return Upstream(std::move(*opened));
    }
    failure = opened.error();
    tried.push_back(route->workload->uid);
    const bool again = route->via_waypoint && another_replica_may_do(failure);
    if (!again || tried.size() == kOwnWaypointTries) co_return std::unexpected(failure);
  }
}

Task<Result<std::unique_ptr<io::ByteStream>>> TunnelDialer::dial(const Endpoint& to,
                                                                 const Client& client,
                                                                 const DialOptions& options) {
  auto opened = co_await open(to, client, options);
  if (!opened) co_return std::unexpected(opened.error());
  if (auto* plain = std::get_if<PlainSocket>(&*opened)) {
    co_return std::make_unique<PlainBytes>(std::move(*plain));
  }
  auto& stream = std::get<proxy::OpenedStream>(*opened);
  co_return std::make_unique<proxy::StreamBytes>(std::move(stream.stream),
                                                 std::move(stream.tunnel));
}

}  // namespace culvert::waypoint
