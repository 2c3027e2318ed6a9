// All workers and their threads, and what the control loop tells all of them. Owned by the
// composition root; on the control loop's thread.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

/// How many data threads the settings mean: a quarter of the cores if they name none.
unsigned worker_count(const Settings& settings);

/// What workers share; all outlive them.
struct SharedByWorkers {
  const Settings& settings;
  const bpf::SocketMaps& maps;
  h2::Budget& budget;
  proxy::TrustCounters& trust;
  telemetry::TrafficMetrics& metrics;  // of as many workers
  telemetry::LineWriter& lines;
};

class Crew {
 public:
  Crew() = default;
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() = default;

  /// Makes and starts them; once.
  Result<void> start(const SharedByWorkers& shared, unsigned count);
  std::vector<std::unique_ptr<Worker>>& workers() { return workers_; }

  void publish(const std::string& identity, const proxy::Credentials& credentials);
  void withdraw(const std::string& identity);
  void publish(const tls::RevocationListPtr& revoked);
  /// With what changed since the last one for connections that are open.
  void publish(const mesh::SnapshotPtr& snapshot);

  /// Ends every connection and their loops; then join() returns.
  void stop_all();
  void join();

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  mesh::SnapshotPtr published_ = std::make_shared<const mesh::Snapshot>();  // workers have it
};

}  // namespace culvert::ztunnel
