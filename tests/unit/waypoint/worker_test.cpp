// A worker's own bounds: connections, descriptors, and how long it waits for its own entry.
#include "waypoint/worker/worker.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <future>
#include <thread>

#include "../exchange/clock.hpp"
#include "../mesh/sample_mesh.hpp"
#include "culvert/proxy/sockets.hpp"
#include "waypoint/worker/crew.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace std::chrono_literals;

namespace {

Settings settings_at(const char* ip) {
  Settings out;
  out.name = "wp-1";
  out.ns = "shop";
  out.service_account = "wp";
  out.pod_ips = {*IpAddress::parse(ip)};
  return out;
}

/// One worker and what it shares with nobody.
struct Alone {
  Alone(std::unique_ptr<io::Loop> loop, std::size_t descriptors)
      : worker({settings, budget, trust, metrics, lines, requests, nullptr},
               proxy::Reporter(metrics.worker(0), lines, false, {}), requests.metrics.worker(0),
               std::move(loop), descriptors) {}

  const Settings settings = settings_at("127.0.0.1");
  h2::Budget budget{kStreamBytesBudget};
  proxy::TrustCounters trust;
  telemetry::TrafficMetrics metrics{1};
  telemetry::LineWriter lines{STDERR_FILENO};
  RequestTelemetry requests{1};
  Worker worker;
};

/// What `ask` says on the worker's thread.
template <class F>
auto on(Worker& worker, F ask) {
  std::promise<decltype(ask(worker))> said;
  auto heard = said.get_future();
  worker.post([&](Worker& self) { said.set_value(ask(self)); });
  return heard.get();
}

UniqueFd connect_to(const SocketAddress& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_storage raw{};
  const socklen_t size = address.to_sockaddr(raw);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&raw), size) == 0);
  return fd;
}

io::Task<> open_without_self(Alone* alone, std::chrono::milliseconds connect_timeout,
                             std::chrono::milliseconds expected) {
  const auto pod = std::make_shared<const mesh::Workload>(mesh::sample::pod("a-0", "10.0.0.1"));
  const auto began = io::Clock::now();
  const auto opened = co_await alone->worker.tunnel_dialer().open(
      {pod, *SocketAddress::parse("10.0.0.1:80")}, {}, {.connect_timeout = connect_timeout});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kNoWorkload);
  CHECK(io::Clock::now() - began == expected);
}

}  // namespace

TEST_CASE("a worker that control tells nothing of itself waits for that so long, and no longer") {
  waypoint::test::Simulation simulation;
  Alone alone(simulation.take_loop(), 1000);
  alone.worker.post([&](Worker& worker) {
    worker.loop().root().spawn(
        [](Alone* one) -> io::Task<> {
          co_await open_without_self(one, 60s, kSelfWait);
          co_await open_without_self(one, 1s, 1s);
          one->worker.stop_all();
        },
        &alone);
  });
  alone.worker.run();
}

TEST_CASE("connections of a worker are bounded: one more is reset, and taken where one has ended") {
  auto loop = io::Loop::create();
  REQUIRE(loop);
  Alone alone(std::move(*loop), 2 * kMaxConnectionsPerWorker);
  auto listeners = open_listeners(alone.settings, 0, Listener::Kind::kHbone);
  REQUIRE(listeners);
  const auto address = proxy::local_address(listeners->front().fd.get()).value();
  std::thread thread([&] { alone.worker.run(); });
  std::deque<Admitted> others;
  on(alone.worker, [&](Worker& worker) {
    while (others.size() < kMaxConnectionsPerWorker) others.emplace_back(worker);
    worker.serve(std::move(*listeners));
    return true;
  });
  char byte = 0;
  const auto refused = connect_to(address);
  CHECK(::read(refused.get(), &byte, 1) == -1);
  CHECK(errno == ECONNRESET);
  on(alone.worker, [&](Worker&) {
    others.pop_back();
    return true;
  });
  const auto taken = connect_to(address);
  const auto open = [](Worker& worker) { return worker.open_connections(); };
  for (int i = 0; i < 3000 && on(alone.worker, open) < kMaxConnectionsPerWorker; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK(on(alone.worker, open) == kMaxConnectionsPerWorker);
  on(alone.worker, [&](Worker&) {
    others.clear();
    return true;
  });
  alone.worker.stop_all();
  thread.join();
}

TEST_CASE("a part of the process' descriptors is kept from connections, the rest is shared out") {
  CHECK(descriptors_for_worker(80'000, 1) == 80'000 - 80'000 / kReservedPart);
  CHECK(descriptors_for_worker(80'000, 4) == (80'000 - 80'000 / kReservedPart) / 4);
}
