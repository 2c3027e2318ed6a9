// TCP health of the connections that a worker has on the network, summed by edge: tunnels, and
// plaintext to and from others. One table a worker, on its thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "culvert/bpf/socket_maps.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"

namespace culvert::ztunnel {

class Measured;

/// Reading a socket takes a system call: a collection reads so many and leaves the others to those
/// that follow. Nothing is lost meanwhile, the kernel keeps sums.
inline constexpr std::size_t kMeasuredPerCollection = 2000;

class MeasuredTable {
 public:
  /// What the kernel measured of a descriptor (SocketMaps::health).
  using Read = std::function<std::optional<bpf::TcpHealth>(int fd)>;

  /// `traffic` outlives it.
  MeasuredTable(Read read, telemetry::WorkerTraffic& traffic)
      : read_(std::move(read)), traffic_(traffic) {}
  MeasuredTable(const MeasuredTable&) = delete;
  MeasuredTable& operator=(const MeasuredTable&) = delete;

  /// Adds what was measured since the last time to the edges' series, of at most
  /// kMeasuredPerCollection sockets in turn.
  void collect();

 private:
  friend class Measured;
  const Read read_;
  telemetry::WorkerTraffic& traffic_;
  Measured* first_ = nullptr;
  Measured* turn_ = nullptr;  // where the next collection begins; null: at the first
};

/// A socket's registration, for its life: it dies before the descriptor is closed.
class Measured {
 public:
  /// `fd`: connected, made by dial() or accepted from a measured listener. Of `record` the edge's
  /// labels are taken.
  Measured(MeasuredTable& table, int fd, const telemetry::ConnectionRecord& record);
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;
  ~Measured();

 private:
  friend class MeasuredTable;
  void count();
  MeasuredTable& table_;
  const int fd_;
  telemetry::TrafficSeries& edge_;
  bpf::TcpHealth counted_;
  Measured* previous_ = nullptr;
  Measured* next_ = nullptr;
};

}  // namespace culvert::ztunnel
