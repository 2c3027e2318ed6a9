// What ztunnel is told at start. Immutable; shared by all threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "culvert/base/ip.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/mesh/waypoint.hpp"
#include "culvert/sandbox/privileges.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "culvert/tls/context.hpp"

namespace culvert::ztunnel {

/// How two pods of this node are connected.
enum class SameNode : std::uint8_t {
  kJoin,     // in process: authorized as over the tunnel, no encryption, nothing on a wire
  kEncrypt,  // as to another node: HBONE
};

struct Settings {
  std::string node;
  std::string bpf_dir;
  std::string zds_socket;
  std::string control_socket;
  unsigned workers = 0;  // 0: a quarter of the cores, at least one
  std::chrono::microseconds busy_poll = io::kDataThreadBusyPoll;  // of data threads
  std::string trust_domain = "cluster.local";
  std::string cluster_id = "Kubernetes";
  std::string network;
  std::string state_dir;  // what outlives a restart, handover; empty: neither
  std::string crl_file;   // of revoked certificates; empty: none
  SameNode same_node = SameNode::kJoin;
  mesh::WaypointBypass waypoint_bypass = mesh::WaypointBypass::kRefuse;
  tls::Records tls_records = tls::kDefaultRecords;
  SocketAddress admin_address;
  SocketAddress metrics_address;
  SocketAddress ready_address;
  bool sandbox =
      sandbox::kByDefault;          // least capabilities, no core dumps, a filter of system calls
  std::string log_format = "text";  // of the access log: text or json
  std::string access_filter;        // telemetry::AccessFilter's text, checked
  telemetry::TrafficOptions metrics;
  std::chrono::milliseconds drain_time = std::chrono::seconds(5);          // after SIGTERM
  std::chrono::milliseconds handover_drain_time = std::chrono::hours(24);  // after a successor came
};

// Every wait on a peer, in one place; those that waypoints have too: culvert/proxy/limits.hpp.
inline constexpr auto kWorkloadWait = std::chrono::seconds(5);  // the pod's own entry by xDS

// When service ends: how long connections are still accepted whose handshake had begun. After a
// handover the slots are a successor's, and a lost SYN-ACK may come again (RFC 6298: after 1 s).
inline constexpr auto kLateAccepts = std::chrono::milliseconds(100);
inline constexpr auto kLateAcceptsHandover = std::chrono::seconds(3);

// Bounds of what traffic can grow.
inline constexpr std::size_t kMaxConnectionsPerWorker = 100'000;
// Of the process' descriptors, kept from connections: listeners, rings, control, admin.
inline constexpr std::size_t kReservedPart = 8;  // one in so many
inline constexpr std::size_t kMinReservedDescriptors = 256;
inline constexpr int kListenBacklog = 1024;
inline constexpr unsigned kMaxWorkers = 64;
inline constexpr int kMaxIdleExpirySeconds = 30 * 24 * 3600;  // of the metrics' label sets

}  // namespace culvert::ztunnel
