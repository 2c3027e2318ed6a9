// Two ztunnels' workers in one process, over loopback: the applications' sockets are the test's,
// all between them is what runs on nodes, but for the kernel's maps (stand_ins.cpp).
#pragma once

#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/bpf/socket_maps.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/mesh/snapshot.hpp"
#include "culvert/proxy/trust_counters.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "mint.hpp"
#include "ztunnel/settings.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::testing {

/// Where connections that are captured wanted to go.
void set_original_destination(const SocketAddress& destination);

/// One node: a worker on its thread, with one pod.
class Node {
 public:
  /// `ip`: the pod's address, one of loopback's.
  Node(std::string name, IpAddress ip, const test::Minted& root, const mesh::SnapshotPtr& mesh);
  ~Node();  // cuts what is left
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Takes the pod's listener of a kind into the worker.
  void serve(bpf::ListenerKind kind, UniqueFd listener);
  /// Calls `look(Worker&)`, which gives a number, on the worker's thread.
  template <class Look>
  std::size_t ask(Look look) {
    std::promise<std::size_t> answer;
    worker_->post([&](ztunnel::Worker& w) { answer.set_value(look(w)); });
    return answer.get_future().get();
  }
  ztunnel::Worker& worker() { return *worker_; }

 private:
  ztunnel::Settings settings_;
  bpf::SocketMaps maps_;
  h2::Budget budget_{256U << 20};
  proxy::TrustCounters trust_;
  UniqueFd nowhere_;  // of the access log
  telemetry::LineWriter lines_;
  telemetry::TrafficMetrics metrics_{1};
  ztunnel::PodPtr pod_;
  std::unique_ptr<ztunnel::Worker> worker_;
  std::thread thread_;
};

/// A connection of the client's application to the server's, carried by both nodes.
struct Pair {
  UniqueFd client, server;
};

/// A client's pod on one node, a server's on another; connections go through tunnels.
class TwoNodes {
 public:
  TwoNodes();
  /// Opens a connection and sends a byte each way.
  Pair connect();
  /// How many connections both nodes carry.
  std::size_t carried();

 private:
  IpAddress server_ip_;  // of this process alone, so that tests may run side by side
  UniqueFd captured_, server_;
  SocketAddress captured_at_;
  test::Minted root_ = test::mint_root();
  std::unique_ptr<Node> east_, west_;
};

}  // namespace culvert::testing
