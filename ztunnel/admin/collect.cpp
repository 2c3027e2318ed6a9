#include "ztunnel/admin/collect.hpp"

#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/proxy/ask.hpp"

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

OpenNow& OpenNow::operator+=(const OpenNow& other) {
  outbound_sockets += other.outbound_sockets;
  inbound_sockets += other.inbound_sockets;
  connections += other.connections;
  return *this;
}

std::optional<OpenNow> collect_now(const Workers& workers, telemetry::TrafficMetrics& metrics) {
  const auto answers = proxy::ask_workers(
      workers, [&metrics](Worker& worker) { return collect_from(worker, metrics); });
  metrics.settle(io::Clock::now());
  if (!answers) return std::nullopt;
  OpenNow out;
  for (const auto& one : *answers) out += one;
  return out;
}

io::Task<OpenNow> collect_on_loop(io::Loop& loop, const Workers& workers,
                                  telemetry::TrafficMetrics& metrics) {
  struct Answers {
    io::Event came;
    std::size_t missing;
    OpenNow sum;
  };
  const auto answers = std::make_shared<Answers>();  // a late one comes after this fiber's end
  answers->missing = workers.size();
  for (const auto& worker : workers) {
    worker->post([answers, &loop, &metrics](Worker& self) {
      loop.post([answers, one = collect_from(self, metrics)] {
        answers->sum += one;
        --answers->missing;
        answers->came.notify();
      });
    });
  }
  const auto until = io::in(proxy::kAnswerTimeout);
  while (answers->missing > 0 && co_await answers->came.wait(until)) {
  }
  metrics.settle(io::Clock::now());
  co_return answers->sum;
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
