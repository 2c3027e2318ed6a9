// GET /connections: what is carried now. The workers copy what they know of their connections; JSON
// is made of the copies, on the asking server's thread.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "culvert/admin/http_server.hpp"
#include "culvert/bpf/socket_maps.hpp"
#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "ztunnel/admin/collect.hpp"

namespace culvert::ztunnel {

/// A data thread copies about a connection a microsecond: these bound how long it is held up.
inline constexpr std::size_t kListedByDefault = 1000;
inline constexpr std::size_t kMaxListed = 10'000;

/// What TCP_INFO (tcp(7)) says of the socket on the application's side.
struct AppHealth {
  std::uint32_t rtt_us = 0;
  std::uint32_t retransmits = 0;
  std::uint64_t delivery_rate = 0;  // bytes a second
};

struct ListedConnection {
  std::uint64_t id = 0;
  proxy::Path path = proxy::Path::kTunnel;
  std::chrono::milliseconds age{};
  telemetry::ConnectionRecord record;
  proxy::RelayCounters bytes;
  std::optional<AppHealth> app;
  std::optional<bpf::TcpHealth> network;
};

struct ConnectionList {
  std::size_t total = 0;                 // of all workers
  std::vector<ListedConnection> listed;  // at most as many as asked for, oldest first in a worker
};

/// Shares `limit` out evenly among the workers. nullopt when one does not answer in time.
std::optional<ConnectionList> list_connections(const Workers& workers, std::size_t limit);

/// {"total": N, "connections": [...]}; ?limit=1..10000. 400 for another limit.
admin::Response connections_page(const Workers& workers, const admin::Request& request);

/// One of the list.
nlohmann::json connection_json(const ListedConnection& connection);

}  // namespace culvert::ztunnel
