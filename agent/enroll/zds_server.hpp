// The ZDS server: hands the node's pods to ztunnel over a SOCK_SEQPACKET Unix socket, each with its
// network namespace as a passed descriptor. Lives on one loop; meets the other threads in Handover.
// What to say next is zds::ServerConnection's business; here are sockets, fibers and turns.
//
// Of several connected ztunnels the newest is served, the others stay connected and hear nothing: a
// successor takes over while its predecessor drains. When the newest leaves, the one before is
// served.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "culvert/base/fd.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/task.hpp"
#include "culvert/zds/server.hpp"
#include "handover.hpp"

namespace culvert::agent {

inline constexpr std::size_t kMaxZtunnels = 4;  // connected at once; more are turned away
inline constexpr std::chrono::seconds kHelloTimeout{5};
inline constexpr std::chrono::seconds kSendTimeout{10};

/// Opens the pod's namespace, if it is still the one that was enrolled. Loop thread.
using OpenPodNetns = std::function<Result<UniqueFd>(const Pod& pod)>;

class ZdsServer {
 public:
  /// `handover` outlives it.
  ZdsServer(Handover& handover, OpenPodNetns open_netns)
      : handover_(handover), open_netns_(std::move(open_netns)) {}

  /// Accepts and serves until its fiber is stopped; then every connection is closed.
  io::Task<> run(UniqueFd listener);
  /// What ztunnel should hold has changed. Loop thread.
  void wake();

 private:
  struct Connection;
  io::Task<> serve(Connection& connection);
  io::Task<bool> greeted(Connection& connection);
  io::Task<> talk(Connection& connection);
  io::Task<bool> say_next(Connection& connection);
  static io::Task<> read_packets(ZdsServer* self, Connection* connection);
  bool is_served(const Connection& connection) const { return connections_.back() == &connection; }
  void start_serving(Connection& connection);
  void take_over_pods(Connection& connection);
  void report(const Connection& connection);
  void leave(Connection& connection);

  Handover& handover_;
  OpenPodNetns open_netns_;
  std::vector<Connection*> connections_;  // oldest first; the last is served
  Connection* served_ = nullptr;
};

}  // namespace culvert::agent
