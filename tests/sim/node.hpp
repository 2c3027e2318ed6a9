// A node of the simulated mesh: ztunnel's workers, each with its own loop on its own thread over
// the simulated network, and what the control loop would tell them.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "culvert/bpf/socket_maps.hpp"
#include "culvert/h2/budget.hpp"
#include "culvert/proxy/trust_counters.hpp"
#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "network.hpp"
#include "sim_backend.hpp"
#include "ztunnel/settings.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::sim {

/// A pod of the scenario.
struct PodSpec {
  std::string name;
  std::size_t account = 0;
  int netns = -1;
  std::size_t node = 0;
  bool meshed = true;
};

class Node {
 public:
  /// Access log lines go to `log_fd`, which stays the caller's.
  Node(Network& network, std::string name, unsigned workers, ztunnel::SameNode same_node,
       int log_fd);
  /// After stop() and a run of the scheduler until all have left.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void add_pod(const PodSpec& pod);
  void remove_pod(const PodSpec& pod);
  void take_snapshot(const mesh::SnapshotPtr& snapshot);
  void take_credentials(std::size_t account, std::size_t renewal);
  void stop();

  std::size_t open_connections() const;
  std::size_t budget_used() const { return budget_.used_bytes(); }

 private:
  struct Thread {
    SimBackend* backend;
    std::unique_ptr<ztunnel::Worker> worker;
    std::thread thread;
  };
  void start_worker(unsigned index);

  Network& network_;
  ztunnel::Settings settings_;
  bpf::SocketMaps maps_;
  h2::Budget budget_;
  proxy::TrustCounters trust_;
  mesh::SnapshotPtr published_ = std::make_shared<const mesh::Snapshot>();
  telemetry::LineWriter lines_;
  telemetry::TrafficMetrics metrics_;
  std::vector<Thread> threads_;
};

}  // namespace culvert::sim
