#include "culvert/proxy/recheck.hpp"

#include <doctest/doctest.h>

#include "../io/run_loop.hpp"
#include "../mesh/sample_mesh.hpp"
#include "carried.hpp"
#include "culvert/io/event.hpp"

using namespace culvert;
using namespace culvert::proxy;
using namespace culvert::proxy::testing;
using namespace culvert::mesh;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

constexpr auto kUntilWalked = 20ms;

Policy deny(const std::string& name, const std::string& service_account,
            Policy::Scope scope = Policy::Scope::kNamespace) {
  Policy p;
  p.ns = "shop";
  p.name = name;
  p.scope = scope;
  p.action = Policy::Action::kDeny;
  Match m;
  m.service_accounts = {{"shop", service_account}};
  p.rules = {Rule{{Clause{{m}}}}};
  return p;
}

/// A worker's table with its recheck, and connections of sa-far and sa-near to web.
struct Bench {
  Bench() {
    far.live.decided_by = decided("far");
    near.live.decided_by = decided("near");
    fibers.spawn(carry, &far);
    fibers.spawn(carry, &near);
  }
  std::unique_ptr<Decided> decided(const std::string& client) const {
    return std::make_unique<Decided>(now->workload_named("shop", "web"), nullptr,
                                     client == "far" ? &far_id : &near_id, sample::ip("10.0.0.9"),
                                     sample::at("10.0.0.1:8080"));
  }
  void move_to(Delta delta) {
    const auto before = std::exchange(now, apply(*now, std::move(delta)));
    recheck.policies_changed(policy_change(*before, *now));
  }
  io::Task<> end() {
    for (auto* one : {&far, &near}) one->live.scope.request_stop();
    fibers.request_stop();
    co_await fibers.join();
  }

  const Identity far_id{"cluster.local", "shop", "sa-far"};
  const Identity near_id{"cluster.local", "shop", "sa-near"};
  Telemetry telemetry;
  LiveConnections table;
  SnapshotPtr now =
      sample::mesh_of({sample::pod("web", "10.0.0.1"), sample::pod("db", "10.0.0.2")});
  TrustCounters counters;
  io::Scope fibers;
  Recheck recheck{table, now, counters, fibers};
  Carried far{table, telemetry}, near{table, telemetry};
};

Delta adds(Policy policy) {
  Delta delta;
  delta.policies = {std::move(policy)};
  return delta;
}

Delta lists(const std::string& pod, std::vector<std::string> policies) {
  Delta delta;
  delta.workloads = {sample::pod(pod, "10.0.0.1")};
  delta.workloads.front().policies = std::move(policies);
  return delta;
}

}  // namespace

TEST_CASE("whom a new policy refuses is cut, with its name; whom it allows stays") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    bench.move_to(adds(deny("no-far", "sa-far")));
    CHECK(co_await hear(bench.far.left.theirs.get()) == "|RST");
    CHECK(co_await hear(bench.far.right.theirs.get()) == "|RST");
    CHECK(bench.far.report.record.outcome->policy == "shop/no-far");
    CHECK(bench.far.report.record.outcome->error == "cut after a policy change: denied by policy");
    CHECK_FALSE(bench.near.live.was_cut());
    CHECK(bench.counters.rechecked == 2);
    CHECK(bench.counters.cut_by_policy == 1);
    co_await bench.end();
  });
}

TEST_CASE("a change that concerns others decides nothing again") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    bench.far.live.decided_by->destination = bench.now->workload_named("shop", "db");
    bench.move_to(lists("web", {"shop/no-far"}));
    bench.move_to(adds(deny("no-far", "sa-far", Policy::Scope::kWorkload)));
    (void)co_await io::sleep_until(io::in(kUntilWalked));
    CHECK(bench.counters.rechecked == 1);  // near's, which goes to web
    CHECK(bench.counters.cut_by_policy == 0);
    auto elsewhere = deny("other", "sa-far");
    elsewhere.ns = "bank";
    bench.move_to(adds(elsewhere));
    (void)co_await io::sleep_until(io::in(kUntilWalked));
    CHECK(bench.counters.rechecked == 1);
    co_await bench.end();
  });
}

TEST_CASE("a joined connection follows its source's identity") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    bench.move_to(adds(deny("no-evil", "evil")));
    (void)co_await io::sleep_until(io::in(kUntilWalked));
    bench.far.live.decided_by->source = bench.now->workload_named("shop", "db");
    Delta delta;
    delta.workloads = {sample::pod("db", "10.0.0.2")};
    delta.workloads.front().service_account = "evil";
    bench.move_to(std::move(delta));
    CHECK(co_await hear(bench.far.left.theirs.get()) == "|RST");
    CHECK(bench.far.live.cut_by->policy == "shop/no-evil");
    CHECK_FALSE(bench.near.live.was_cut());
    co_await bench.end();
  });
}

TEST_CASE("a policy that comes a moment after the workload that names it cuts nobody it allows") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    bench.move_to(lists("web", {"shop/no-far"}));  // unknown so far: new connections are refused
    (void)co_await io::sleep_until(io::in(kUntilWalked));
    CHECK(bench.counters.rechecked == 2);
    CHECK(bench.counters.cut_by_policy == 0);
    bench.move_to(adds(deny("no-far", "sa-far", Policy::Scope::kWorkload)));
    CHECK(co_await hear(bench.far.left.theirs.get()) == "|RST");
    CHECK_FALSE(bench.near.live.was_cut());
    (void)co_await io::sleep_until(io::in(kUnknownPolicyGrace + kUntilWalked));
    CHECK_FALSE(bench.near.live.was_cut());
    CHECK(bench.counters.rechecked == 4);
    co_await bench.end();
  });
}

TEST_CASE("a policy that never comes cuts after the grace") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    const auto begin = io::Clock::now();
    bench.move_to(lists("web", {"shop/lost"}));
    CHECK(co_await hear(bench.far.left.theirs.get(), kUnknownPolicyGrace + 5s) == "|RST");
    CHECK(io::Clock::now() - begin >= kUnknownPolicyGrace);
    CHECK(bench.far.live.cut_by->policy == "shop/lost");
    co_await bench.end();
  });
}

TEST_CASE("a change that comes during a walk is walked too, also for those already seen") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    std::vector<std::unique_ptr<Carried>> many;
    for (std::size_t i = 0; i < kRecheckBatch / 8; ++i) {
      auto& one = many.emplace_back(std::make_unique<Carried>(bench.table, bench.telemetry));
      one->live.decided_by = bench.decided("far");
    }
    bench.move_to(adds(deny("no-near", "sa-near")));
    bench.move_to(adds(deny("no-far", "sa-far")));
    (void)co_await io::sleep_until(io::in(0ms));
    bench.move_to(adds(deny("no-other", "sa-other")));
    (void)co_await io::sleep_until(io::in(kUntilWalked));
    for (auto& one : many) CHECK(one->live.was_cut());
    CHECK(bench.far.live.was_cut());
    CHECK(bench.near.live.was_cut());
    co_await bench.end();
  });
}

TEST_CASE("a waypoint that comes cuts what does not come from it, on its ports alone") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    bench.far.live.decided_by->destination = bench.now->workload_named("shop", "web");
    bench.near.live.decided_by->address = sample::at("10.0.0.1:9090");
    Delta opted_in;
    opted_in.workloads = {sample::web_pod("web", "10.0.0.1"), sample::pod("wp", "10.0.0.15")};
    opted_in.workloads.back().services["shop/wp.shop.svc.cluster.local"] = {};
    opted_in.services = {sample::web_service(), sample::web_service("10.96.0.15")};
    opted_in.services.front().waypoint =
        GatewayAddress{std::string("shop/wp.shop.svc.cluster.local"), kHbonePort};
    opted_in.services.back().name = "wp";
    opted_in.services.back().hostname = "wp.shop.svc.cluster.local";
    bench.move_to(std::move(opted_in));
    CHECK(co_await hear(bench.far.left.theirs.get()) == "|RST");
    CHECK(bench.far.report.record.outcome->error ==
          "cut after a policy change: only its waypoint is admitted: "
          "shop/wp.shop.svc.cluster.local");
    CHECK_FALSE(bench.near.live.was_cut());
    co_await bench.end();
  });
}

TEST_CASE("whom the waypoint speaks for decides again, as long as it is the waypoint") {
  run_loop([]() -> io::Task<> {
    Bench bench;
    Delta opted_in;
    opted_in.workloads = {sample::web_pod("web", "10.0.0.1"), sample::pod("far", "10.0.0.15")};
    opted_in.workloads.front().waypoint =
        GatewayAddress{NetworkAddress{"", sample::ip("10.0.0.15")}, kHbonePort};
    bench.near.live.decided_by = nullptr;
    bench.far.live.decided_by->claim = std::make_unique<const Arriving::Claim>(
        Identity{"cluster.local", "shop", "client"}, sample::ip("10.0.0.9"));
    bench.move_to(std::move(opted_in));
    (void)co_await io::sleep_until(io::in(kUntilWalked));
    CHECK_FALSE(bench.far.live.was_cut());
    bench.move_to(adds(deny("no-client", "client")));
    CHECK(co_await hear(bench.far.left.theirs.get()) == "|RST");
    CHECK(bench.far.live.cut_by->policy == "shop/no-client");
    co_await bench.end();
  });
}
