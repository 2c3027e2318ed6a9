// All workers and their threads, and what the control loop tells all of them. Owned by the
// composition root; on the control loop's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "culvert/telemetry/line_writer.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

/// How many data threads the settings mean: for 0 a quarter of the cores.
unsigned worker_count(const Settings& settings);

/// What a worker's connections may hold of the process' descriptors.
std::size_t descriptors_for_worker(std::size_t process_limit, unsigned workers);

class Crew {
 public:
  Crew() = default;
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() = default;

  /// Makes and starts them; once.
  Result<void> start(const SharedByWorkers& shared, unsigned count);
  /// Each opens its listeners and accepts. All or none: on failure nobody accepts.
  Result<void> serve(const Settings& settings);
  std::vector<std::unique_ptr<Worker>>& workers() { return workers_; }

  void publish(const proxy::Credentials& credentials);
  void publish(const tls::RevocationListPtr& revoked);
  void publish(const ViewPtr& view);

  /// Ends every connection and their loops; then join() returns.
  void stop_all();
  void join();
  /// Connections that have come and gone on all of them, ever.
  std::uint64_t changes() const;

 private:
  template <class F>
  void tell(F message) {
    for (auto& worker : workers_) worker->post(message);
  }
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace culvert::waypoint
