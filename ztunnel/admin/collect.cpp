#include "ztunnel/admin/collect.hpp"

#include "culvert/io/loop.hpp"
#include "ztunnel/admin/ask.hpp"

namespace culvert::ztunnel {
namespace {

OpenNow collect_from(Worker& worker, telemetry::TrafficMetrics& metrics) {
  worker.measured().collect();
  metrics.deposit(worker.reporter().collect(io::Clock::now()));
  const auto& sockets = worker.open_sockets();
  const auto of = [&](bpf::ListenerKind kind) { return sockets[static_cast<std::size_t>(kind)]; };
  return {of(bpf::ListenerKind::kOutbound),
          of(bpf::ListenerKind::kHbone) + of(bpf::ListenerKind::kPlaintext), worker.live().size()};
}

}  // namespace

std::optional<OpenNow> collect_now(const Workers& workers, telemetry::TrafficMetrics& metrics) {
  const auto answers =
      ask_workers(workers, [&metrics](Worker& worker) { return collect_from(worker, metrics); });
  metrics.settle(io::Clock::now());
  if (!answers) return std::nullopt;
  OpenNow out;
  for (const auto& one : *answers) {
    out.outbound_sockets += one.outbound_sockets;
    out.inbound_sockets += one.inbound_sockets;
    out.connections += one.connections;
  }
  return out;
}

io::Task<> keep_collecting(const Workers* workers, telemetry::TrafficMetrics* metrics) {
  while (co_await io::sleep_until(io::in(kCollectInterval))) {
    for (const auto& worker : *workers) {
      worker->post([metrics](Worker& self) { (void)collect_from(self, *metrics); });
    }
    metrics->settle(io::Clock::now());  // what was deposited since the last round
  }
}

}  // namespace culvert::ztunnel
