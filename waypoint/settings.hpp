// What a waypoint is told at start. Immutable; shared by all threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/http/path.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/mesh/workload.hpp"
#include "culvert/sandbox/privileges.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "culvert/tls/context.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

struct Settings {
  // Who it is: the pod that it runs in.
  std::string name;
  std::string ns;
  std::string service_account;
  std::vector<IpAddress> pod_ips;  // at least one; listened on

  std::string control_socket;
  std::string trust_domain = "cluster.local";
  std::string cluster_id = "Kubernetes";
  std::string network;
  std::string crl_file;  // of revoked certificates; empty: none

  /// An edge serves the Gateways whose selector has its pod's labels, in plain TCP at their ports.
  bool edge = false;

  http::PathNormalization path_normalization = http::PathNormalization::kBase;

  /// Data threads; 0: a quarter of the cores. Turns and loads by which endpoints are chosen are
  /// each thread's own, so one unless somebody wants more.
  unsigned workers = 1;
  std::chrono::microseconds busy_poll = io::kDataThreadBusyPoll;  // of data threads
  std::uint16_t hbone_port = mesh::kHbonePort;
  tls::Records tls_records = tls::kDefaultRecords;
  SocketAddress admin_address;
  SocketAddress metrics_address;
  SocketAddress ready_address;
  bool sandbox = sandbox::kByDefault;
  std::string log_format = "text";  // of the access log: text or json
  std::string access_filter;        // telemetry::AccessFilter's text, checked
  telemetry::TrafficOptions metrics;
  std::chrono::milliseconds drain_time = std::chrono::seconds(25);  // after SIGTERM
  // Of clients' requests, as ServerOptions says.
  std::chrono::milliseconds request_head_timeout = ServerOptions{}.head_timeout;
  std::chrono::milliseconds stream_idle_timeout = ServerOptions{}.stream_idle_timeout;

  mesh::Identity identity() const { return {trust_domain, ns, service_account}; }
};

// Every wait on a peer; those that ztunnels have too: culvert/proxy/limits.hpp.
inline constexpr auto kSelfWait = std::chrono::seconds(5);  // its own entry by xDS
/// From accept (or CONNECT) to first bytes of the client that say what it speaks: then it is joined
/// with its server, which may speak first (waypoint/entry/first_bytes.hpp: UndecidedEnd).
inline constexpr auto kFirstBytesWait = std::chrono::milliseconds(100);
/// After the word to end: new connections are taken so long, for clients that have not heard; then
/// idle HTTP connections are closed.
inline constexpr auto kLameDuck = std::chrono::seconds(1);

// Bounds of what traffic can grow.
inline constexpr std::size_t kMaxConnectionsPerWorker = 100'000;  // accepted
/// Of the process' descriptors, kept from connections: one in so many.
inline constexpr std::size_t kReservedPart = 8;
inline constexpr int kListenBacklog = 1024;
inline constexpr unsigned kMaxWorkers = 64;
inline constexpr std::size_t kStreamBytesBudget = 256U << 20;  // all HTTP/2 streams together

}  // namespace culvert::waypoint
