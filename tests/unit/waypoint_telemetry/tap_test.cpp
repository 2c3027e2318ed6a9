// What people who watch are shown of requests, and what it costs when nobody does.
#include "waypoint/telemetry/tap.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "../telemetry/sample_exchange.hpp"
#include "waypoint/telemetry/request_log.hpp"
#include "waypoint/telemetry/tap_page.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const Tap::TimePoint kStart{1h};

admin::Request after(const std::string& number) {
  admin::Request out{.method = "GET", .path = "/tap"};
  out.query["after"] = number;
  return out;
}

}  // namespace

TEST_CASE("it is watched from the first question on, until nobody has asked for a while") {
  Tap tap;
  CHECK_FALSE(tap.watched(kStart));
  CHECK(tap.end(kStart) == 0);
  CHECK(tap.watched(kStart + kTapWatched - 1ms));
  CHECK_FALSE(tap.watched(kStart + kTapWatched));
}

TEST_CASE("each who watches gets each request once, in order") {
  Tap tap;
  tap.push("a");
  tap.push("b");
  const auto first = tap.read(0, kStart);
  CHECK(first.events == std::vector<std::string>{"a", "b"});
  tap.push("c");
  CHECK(tap.read(first.next, kStart).events == std::vector<std::string>{"c"});
  CHECK(tap.read(1, kStart).events == std::vector<std::string>{"b", "c"});
  CHECK(tap.read(3, kStart).events.empty());
  CHECK(tap.read(99, kStart).next == 3);
}

TEST_CASE("what is kept and what waits is bounded, and what is lost is told") {
  Tap tap;
  const std::string part(kMaxTapBytes / 4, 'x');
  for (int i = 0; i < 4; ++i) tap.push(part);
  tap.push("one too many");
  const auto batch = tap.read(0, kStart);
  CHECK(batch.events.size() == 4);
  CHECK(batch.lost == 1);
  tap.push("newest");
  const auto next = tap.read(0, kStart);
  CHECK(next.events.back() == "newest");
  CHECK(next.events.size() == 4);
  CHECK(next.lost == 2);
}

TEST_CASE("workers push while others read, and nothing is lost below the bounds") {
  Tap tap;
  constexpr int kEach = 2000;
  std::vector<std::jthread> workers;
  for (int w = 0; w < 2; ++w) {
    workers.emplace_back([&tap] {
      for (int i = 0; i < kEach; ++i) tap.push("request");
    });
  }
  std::uint64_t next = 0, seen = 0, lost = 0;
  while (seen + lost < 2 * kEach) {
    const auto batch = tap.read(next, kStart);
    next = batch.next;
    seen += batch.events.size();
    lost += batch.lost;
  }
  CHECK(seen == 2 * kEach);
}

TEST_CASE("the page tells what to ask for next, and refuses what is no number") {
  Tap tap;
  CHECK(tap_page(tap, {}).body == "{\"next\":0,\"lost\":0}\n");
  tap.push("{}");
  CHECK(tap_page(tap, after("0")).body == "{\"next\":1,\"lost\":0}\n{}\n");
  for (const char* bad : {"", "-1", "x", "1x", "99999999999999999999"}) {
    CHECK(tap_page(tap, after(bad)).status == 400);
  }
}

TEST_CASE("a request that is over is counted, logged, and shown while somebody watches") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Tap tap;
  telemetry::WorkerRequests requests{telemetry::RequestOptions{}};
  std::string logged;
  {
    telemetry::LineWriter lines(ends[1]);
    RequestLog log(requests, tap, lines, true, *telemetry::AccessFilter::parse("errors"));
    auto record = test::sample_exchange();
    log.ended(record);
    tap.end(std::chrono::steady_clock::now());
    record.status = 503;
    log.ended(record);
    CHECK(log.collect(kStart).size() == 2);
  }
  ::close(ends[1]);
  std::array<char, 4096> buffer{};
  for (ssize_t got; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    logged.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  CHECK(json::parse(logged)["response_code"] == 503);  // one line: 200 is no error
  const auto shown = tap.read(0, kStart).events;
  REQUIRE(shown.size() == 1);
  CHECK(json::parse(shown[0])["attempt_list"].size() == 1);
  CHECK(json::parse(shown[0])["event"] == "end");
  CHECK_FALSE(json::parse(shown[0]).contains("id"));  // nobody was told when it began
}

TEST_CASE(
    "while somebody watches, a request is told of when it begins, is tried, and is answered") {
  Tap tap;
  telemetry::WorkerRequests requests{telemetry::RequestOptions{}};
  telemetry::LineWriter lines(-1);
  RequestLog log(requests, tap, lines, true, *telemetry::AccessFilter::parse("errors"));
  const auto now = std::chrono::steady_clock::now();
  auto record = test::sample_exchange();
  const auto attempt = record.attempt_list.front();
  record.attempt_list.clear();
  record.attempts = 0;
  record.status = 0;
  log.began(record, now);
  CHECK(record.watched_as == 0);
  CHECK(tap.end(now) == 0);

  log.began(record, now);
  CHECK(record.watched_as == 1);
  auto other = record;
  log.began(other, now);
  CHECK(other.watched_as == 2);
  log.went_on(record, telemetry::ExchangeEvent::kAttempt, attempt);
  record.status = 200;
  log.went_on(record, telemetry::ExchangeEvent::kAnswer, attempt);
  record.add_attempt(attempt);
  log.ended(record);
  const auto events = tap.read(0, now).events;
  REQUIRE(events.size() == 5);
  const auto begin = json::parse(events[0]), tried = json::parse(events[2]),
             answer = json::parse(events[3]), end = json::parse(events[4]);
  CHECK(begin["event"] == "begin");
  CHECK(begin["id"] == 1);
  CHECK(begin["route_name"] == "shop/routes/0");
  CHECK(begin["source_workload"] == "front-0");
  CHECK_FALSE(begin.contains("response_code"));
  CHECK_FALSE(begin.contains("upstream_host"));
  CHECK(json::parse(events[1])["id"] == 2);
  CHECK(tried["event"] == "attempt");
  CHECK(tried["attempts"] == 1);
  CHECK(tried["upstream_host"] == "10.0.0.7:8080");
  CHECK(tried["destination_workload"] == "web");
  CHECK_FALSE(tried.contains("response_code"));
  CHECK(answer["event"] == "answer");
  CHECK(answer["response_code"] == 200);
  CHECK(answer["attempts"] == 1);
  CHECK(end["event"] == "end");
  CHECK(end["id"] == 1);
  CHECK(end["duration"] == 12);
}
