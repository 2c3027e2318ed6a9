#include "ztunnel/worker/measured.hpp"

#include <doctest/doctest.h>

#include <map>
#include <memory>

using namespace culvert;
using namespace culvert::ztunnel;

namespace {

/// A kernel that measures what the test says.
struct World {
  std::map<int, bpf::TcpHealth> health;
  int reads = 0;
  telemetry::WorkerTraffic traffic{telemetry::TrafficOptions{}};
  MeasuredTable table{[this](int fd) -> std::optional<bpf::TcpHealth> {
                        ++reads;
                        const auto found = health.find(fd);
                        if (found == health.end()) return std::nullopt;
                        return found->second;
                      },
                      traffic};
  telemetry::ConnectionRecord to_web = [] {
    telemetry::ConnectionRecord record;
    record.destination = telemetry::Party{.workload = "web"};
    return record;
  }();

  telemetry::TrafficCounts collected() {
    telemetry::TrafficCounts sum;
    for (const auto& series : traffic.collect({})) sum += series.counts;
    return sum;
  }
};

}  // namespace

TEST_CASE("each measure is counted once, also the last one of a socket that ends") {
  World world;
  {
    const Measured first(world.table, 3, world.to_web);
    const Measured second(world.table, 4, world.to_web);
    world.health[3] = {.rtt_sum_us = 300,
                       .rtt_samples = 3,
                       .segments = 10,
                       .retransmits = 1,
                       .rate_sum = 50,
                       .rate_samples = 2};
    world.table.collect();
    world.table.collect();
    CHECK(world.collected() == telemetry::TrafficCounts{.segments = 10,
                                                        .retransmits = 1,
                                                        .rtt_samples = 3,
                                                        .rtt_sum_us = 300,
                                                        .rate_samples = 2,
                                                        .rate_sum = 50});
    world.health[3].segments = 12;
    world.health[4].segments = 5;
  }
  CHECK(world.collected() == telemetry::TrafficCounts{.segments = 7});
  world.table.collect();
  CHECK(world.collected() == telemetry::TrafficCounts{});
}

TEST_CASE("a collection reads a bounded number of sockets, and all have their turn") {
  World world;
  constexpr int kSockets = static_cast<int>(2 * kMeasuredPerCollection) + 10;
  std::vector<std::unique_ptr<Measured>> sockets;
  for (int fd = 0; fd < kSockets; ++fd) {
    world.health[fd].segments = 1;
    sockets.push_back(std::make_unique<Measured>(world.table, fd, world.to_web));
  }
  world.table.collect();
  CHECK(world.reads == kMeasuredPerCollection);
  // Newest first: the turn is with this one, which ends.
  sockets[static_cast<std::size_t>(kSockets) - 1 - kMeasuredPerCollection].reset();
  world.table.collect();
  world.table.collect();
  CHECK(world.collected().segments == kSockets);
}
