// TCP health of the connections that a worker has on the network, summed by edge: tunnels, and
// plaintext to and from others. One table a worker, on its thread.
#pragma once

#include "culvert/bpf/socket_maps.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"

namespace culvert::ztunnel {

class Measured;

class MeasuredTable {
 public:
  /// Both outlive it.
  MeasuredTable(const bpf::SocketMaps& maps, telemetry::WorkerTraffic& traffic)
      : maps_(maps), traffic_(traffic) {}
  MeasuredTable(const MeasuredTable&) = delete;
  MeasuredTable& operator=(const MeasuredTable&) = delete;

  /// Adds what was measured since the last time to the edges' series.
  void collect();

 private:
  friend class Measured;
  const bpf::SocketMaps& maps_;
  telemetry::WorkerTraffic& traffic_;
  Measured* first_ = nullptr;
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
