#include "culvert/proxy/live_connections.hpp"

#include <doctest/doctest.h>

#include "../io/run_loop.hpp"
#include "carried.hpp"
#include "culvert/io/event.hpp"

using namespace culvert;
using namespace culvert::proxy;
using namespace culvert::proxy::testing;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

std::vector<std::uint64_t> ids(LiveConnections& table) {
  std::vector<std::uint64_t> out;
  table.for_each([&](LiveConnection& c) { out.push_back(c.id); });
  return out;
}

}  // namespace

TEST_CASE("connections are listed oldest first, each with an id of its own in the process") {
  Telemetry telemetry;
  LiveConnections here, there;
  const Carried a(here, telemetry);
  auto b = std::make_optional<Carried>(here, telemetry);
  const Carried c(here, telemetry);
  const Carried d(there, telemetry);
  CHECK(ids(here) == std::vector{a.live.id, b->live.id, c.live.id});
  CHECK(a.live.id < b->live.id);
  for (const auto id : ids(here)) CHECK(id != d.live.id);
  b.reset();
  CHECK(ids(here) == std::vector{a.live.id, c.live.id});
  CHECK(here.size() == 2);
  CHECK(there.size() == 1);
}

TEST_CASE("a walk that pauses loses nobody when connections come and go") {
  Telemetry telemetry;
  LiveConnections table;
  std::vector<std::unique_ptr<Carried>> all;
  for (int i = 0; i < 5; ++i) all.push_back(std::make_unique<Carried>(table, telemetry));
  LiveConnections::Walk walk(table);
  CHECK(walk.next() == &all[0]->live);
  all.erase(all.begin());      // the one just visited
  all.erase(all.begin());      // the one that would be next
  all.erase(all.begin() + 1);  // one further on
  CHECK(walk.next() == &all[0]->live);
  CHECK(walk.next() == &all[1]->live);
  all.push_back(std::make_unique<Carried>(table, telemetry));
  CHECK(walk.next() == &all[2]->live);
  CHECK(walk.next() == nullptr);
}

TEST_CASE("a connection that is cut is reset at both ends, and its log line says why") {
  run_loop([]() -> io::Task<> {
    Telemetry telemetry;
    LiveConnections table;
    {
      Carried cut(table, telemetry), other(table, telemetry);
      io::Scope scope;
      scope.spawn(carry, &cut);
      scope.spawn(carry, &other);
      say(cut.left.theirs, "question");
      co_await io::sleep_until(io::in(5ms));
      cut.live.cut_by = std::make_unique<const CutBy>("shop/deny-all", "denied by policy");
      CHECK(table.cut(cut.live, Cut::kPolicy));
      CHECK_FALSE(table.cut(cut.live, Cut::kDrain));
      CHECK(co_await hear(cut.right.theirs.get()) == "question|RST");
      CHECK(co_await hear(cut.left.theirs.get()) == "|RST");
      say(other.left.theirs, "untouched");
      ::shutdown(other.left.theirs.get(), SHUT_WR);
      CHECK(co_await hear(other.right.theirs.get()) == "untouched|FIN");
      ::shutdown(other.right.theirs.get(), SHUT_WR);
      co_await scope.join();
      CHECK(cut.report.record.bytes_sent == 8);
      CHECK(cut.report.record.flag == telemetry::ResponseFlag::kDeny);
      CHECK(other.report.record.outcome->error.empty());
    }
    const auto log = telemetry.logged();
    CHECK(log.find("error=\"cut after a policy change: denied by policy\" "
                   "policy=\"shop/deny-all\"") != std::string::npos);
  });
}

TEST_CASE("a connection that is cut before it is relayed ends as soon as it would be") {
  run_loop([]() -> io::Task<> {
    Telemetry telemetry;
    LiveConnections table;
    Carried cut(table, telemetry);
    CHECK(table.cut(cut.live, Cut::kRevoked));
    co_await cut.carry();
    CHECK(co_await hear(cut.left.theirs.get()) == "|RST");
    CHECK(co_await hear(cut.right.theirs.get()) == "|RST");
    CHECK(cut.report.record.flag == telemetry::ResponseFlag::kCertRevoked);
  });
}
