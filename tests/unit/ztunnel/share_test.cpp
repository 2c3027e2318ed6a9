// Shares of descriptors and the refusing of what there is no room for.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <list>
#include <memory>

#include "culvert/proxy/shedding.hpp"
#include "ztunnel/settings.hpp"
#include "ztunnel/worker/descriptor_share.hpp"

using namespace culvert;
using namespace culvert::ztunnel;

namespace {

// A pod that takes one at a time for as long as it may.
struct Hog {
  DescriptorShare& share;
  std::size_t own = 0;
  std::list<DescriptorLease> leases{};

  bool grow(std::size_t count = 1) {
    if (!share.admits(own, count)) return false;
    leases.emplace_back(share, own, count);
    return true;
  }
};

}  // namespace

TEST_CASE("a hog gets half of the descriptors, and the next pod still gets some") {
  DescriptorShare share(1000);
  Hog first{share}, second{share}, third{share};
  while (first.grow()) {
  }
  CHECK(first.own == 500);
  while (second.grow()) {
  }
  CHECK(second.own == 250);
  CHECK(third.grow(2));
  CHECK_FALSE(first.grow());
  CHECK(share.used() == 752);
}

TEST_CASE("pods that grow side by side end up with equal parts, and always leave some") {
  DescriptorShare share(1200);
  std::list<Hog> pods;
  for (int i = 0; i < 3; ++i) pods.push_back({share});
  for (bool grew = true; grew;) {
    grew = false;
    for (auto& pod : pods) grew = pod.grow() || grew;
  }
  for (const auto& pod : pods) CHECK(pod.own == 300);
  CHECK(share.limit() - share.used() == 300);
}

TEST_CASE("one client cannot use up what its server may hold") {
  DescriptorShare here(1000), there(1000);
  Hog client{here}, server{there};
  while (client.grow() && there.admits(server.own, 1, Role::kServer)) {
    server.leases.emplace_back(there, server.own, 1);
  }
  CHECK(client.own == 500);
  CHECK(server.own == 500);
  CHECK(there.admits(server.own, 100, Role::kServer));
  while (there.admits(server.own, 1, Role::kServer)) {
    server.leases.emplace_back(there, server.own, 1);
  }
  CHECK(server.own == 667);
  CHECK(there.admits(0, 300));  // another pod there
}

TEST_CASE("what a pod gives back others may take") {
  DescriptorShare share(100);
  Hog pod{share};
  while (pod.grow()) {
  }
  pod.leases.clear();
  CHECK(pod.own == 0);
  CHECK(share.used() == 0);
  CHECK(share.admits(0, 50));
  CHECK_FALSE(share.admits(0, 101));
}

TEST_CASE("a worker's part leaves the process what it needs itself") {
  CHECK(descriptors_for_worker(1024, 1) == 1024 - kMinReservedDescriptors);
  CHECK(descriptors_for_worker(1024, 4) == (1024 - kMinReservedDescriptors) / 4);
  CHECK(descriptors_for_worker(100, 1) == 50);
  CHECK(descriptors_for_worker(80'000, 1) == 80'000 - 80'000 / kReservedPart);
  CHECK(descriptors_for_worker(1U << 30, 1) == 2 * kMaxConnectionsPerWorker);
}

TEST_CASE("with no descriptor left the spare one makes room for one, and is taken back") {
  proxy::SpareDescriptor spare;
  REQUIRE(spare.held());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  spare.give_up();
  CHECK_FALSE(spare.take());
  CHECK_FALSE(spare.held());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(spare.take());
  CHECK(spare.held());
}

TEST_CASE("refusals are counted, and said at intervals") {
  proxy::ShedLog log("test of shedding");
  const auto start = culvert::io::Clock::time_point{} + std::chrono::hours(1);
  for (int i = 0; i < 1000; ++i) log.refused("shop/web", start);
  CHECK(log.total() == 1000);
  CHECK(log.lines() == 1);
  log.refused("shop/web", start + proxy::kShedLogInterval);
  CHECK(log.lines() == 2);
  for (int i = 0; i < 1000; ++i) {  // room and none in turn, as at a limit
    log.recovered(start + proxy::kShedLogInterval);
    log.refused("shop/web", start + proxy::kShedLogInterval);
  }
  CHECK(log.lines() == 2);
  log.recovered(start + 2 * proxy::kShedLogInterval);
  log.recovered(start + 2 * proxy::kShedLogInterval);
  CHECK(log.lines() == 3);
  log.refused("shop/web", start + 2 * proxy::kShedLogInterval);
  CHECK(log.lines() == 4);
}
