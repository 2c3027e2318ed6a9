#include "ztunnel/admin/connections.hpp"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "culvert/proxy/ask.hpp"
#include "ztunnel/admin/admin.hpp"

namespace culvert::ztunnel {

using nlohmann::json;

namespace {

std::optional<AppHealth> app_health(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (fd < 0 || ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return AppHealth{info.tcpi_rtt, info.tcpi_total_retrans, info.tcpi_delivery_rate};
}

ConnectionList list_worker(Worker& worker, std::size_t limit) {
  ConnectionList out;
  out.total = worker.live().size();
  out.listed.reserve(std::min(limit, out.total));
  const auto now = io::Clock::now();
  proxy::LiveConnections::Walk walk(worker.live());
  while (out.listed.size() < limit) {
    const proxy::LiveConnection* entry = walk.next();
    if (entry == nullptr) break;
    out.listed.push_back(
        {entry->id, entry->path,
         std::chrono::duration_cast<std::chrono::milliseconds>(now - entry->since), *entry->record,
         entry->bytes, app_health(entry->app_fd),
         entry->network_fd < 0 ? std::nullopt : worker.maps().health(entry->network_fd)});
  }
  return out;
}

void put(json& out, const char* key, const std::string& value) {
  if (!value.empty()) out[key] = value;
}

json party_json(const SocketAddress& address, const telemetry::Party& party) {
  json out = json::object();
  if (address.port != 0) out["address"] = address.to_string();
  put(out, "pod", party.pod);
  put(out, "workload", party.workload);
  put(out, "namespace", party.namespace_name);
  put(out, "identity", party.identity);
  return out;
}

std::optional<std::size_t> limit_of(const admin::Request& request) {
  const auto asked = request.query.find("limit");
  if (asked == request.query.end()) return kListedByDefault;
  const std::string& text = asked->second;
  std::size_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < 1 || value > kMaxListed) return std::nullopt;
  return value;
}

}  // namespace

std::optional<ConnectionList> list_connections(const Workers& workers, std::size_t limit) {
  const std::size_t each = (limit + workers.size() - 1) / workers.size();
  auto answers =
      proxy::ask_workers(workers, [each](Worker& worker) { return list_worker(worker, each); });
  if (!answers) return std::nullopt;
  ConnectionList out;
  for (auto& one : *answers) {
    out.total += one.total;
    std::ranges::move(one.listed, std::back_inserter(out.listed));
  }
  if (out.listed.size() > limit) out.listed.resize(limit);
  return out;
}

json connection_json(const ListedConnection& connection) {
  const auto& record = connection.record;
  json out{{"id", connection.id},
           {"direction", to_string(record.direction)},
           {"path", to_string(connection.path)},
           {"age_ms", connection.age.count()},
           {"mutual_tls", record.mutual_tls},
           {"source", party_json(record.source_address, *record.source)},
           {"destination", party_json(record.destination_address, *record.destination)},
           {"bytes_sent", connection.bytes.forward_bytes},
           {"bytes_received", connection.bytes.backward_bytes}};
  if (record.hbone_address) out["hbone_address"] = record.hbone_address->to_string();
  if (record.original_address) out["original_address"] = record.original_address->to_string();
  if (record.trace) out["traceparent"] = record.trace->to_string();
  put(out, "service", record.service->hostname);
  if (!record.via->identity.empty()) out["via"] = party_json({}, *record.via);
  if (connection.app) {
    out["tcp"]["application"] = {{"rtt_us", connection.app->rtt_us},
                                 {"retransmits", connection.app->retransmits},
                                 {"delivery_rate", connection.app->delivery_rate}};
  }
  if (connection.network) {
    out["tcp"]["network"] = {{"srtt_us", connection.network->srtt_us},
                             {"round_trips", connection.network->rtt_samples},
                             {"segments", connection.network->segments},
                             {"retransmits", connection.network->retransmits},
                             {"delivery_rate", connection.network->delivery_rate}};
  }
  return out;
}

admin::Response connections_page(const Workers& workers, const admin::Request& request) {
  const auto limit = limit_of(request);
  if (!limit) {
    return admin::error_response(400, "limit is no number that may be asked for",
                                 fmt::format("limit=1 to limit={}", kMaxListed));
  }
  const auto list = list_connections(workers, *limit);
  if (!list) return busy();
  json out{{"total", list->total}, {"connections", json::array()}};
  for (const auto& one : list->listed) out["connections"].push_back(connection_json(one));
  return {.status = 200, .body = out.dump(1, ' ', false, json::error_handler_t::replace) + "\n"};
}

}  // namespace culvert::ztunnel
