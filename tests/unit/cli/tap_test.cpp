// Requests as `culvert tap` filters and shows them.
#include "culvert/tap.hpp"

#include <doctest/doctest.h>

using namespace culvert::cli;

namespace {

Json request() {
  return Json::parse(R"({
    "start_time": "2026-11-21T21:00:00.123Z", "method": "GET", "path": "/api/a",
    "authority": "web.shop", "response_code": 200, "response_flags": "-",
    "response_code_details": "via_upstream", "duration": 12, "attempts": 1,
    "upstream_host": "10.0.0.7:8080", "downstream_remote_address": "10.0.0.5:41000",
    "route_name": "to-v1", "virtual_service": "shop/web", "source_workload": "front-0",
    "source_namespace": "shop", "destination_workload": "web-v1", "destination_namespace": "shop",
    "destination_service": "web.shop.svc.cluster.local",
    "attempt_list": [{"upstream_host": "10.0.0.7:8080", "response_code": 200, "end": "answered"}]})");
}

}  // namespace

TEST_CASE("a request is a line with who, what, status, rule and destination") {
  CHECK(tap_text(request()) ==
        "2026-11-21T21:00:00.123Z shop/front-0 GET web.shop/api/a 200 12 ms by to-v1 of shop/web "
        "to shop/web-v1 10.0.0.7:8080\n");
  auto one = request();
  one["rule"] = 2;  // where rules have no names, this tells them apart
  one.erase("route_name");
  CHECK(tap_text(one).find(" 12 ms by shop/web http[2] to shop/web-v1 ") != std::string::npos);
}

TEST_CASE("several attempts have a line each, and a failure its flags") {
  auto one = request();
  one["attempts"] = 2;
  one["response_code"] = 503;
  one["response_flags"] = "UF,URX";
  one["attempt_list"].push_back(Json::parse(
      R"({"upstream_host": "10.0.0.8:8080", "response_code": 0, "end": "connect-failed",
          "duration_ms": 1.5})"));
  const auto text = tap_text(one);
  CHECK(text.find(" 503 UF,URX via_upstream 12 ms ") != std::string::npos);
  CHECK(text.find("\n    attempt 1: 10.0.0.7:8080 200 after 0 ms\n") != std::string::npos);
  CHECK(text.ends_with("    attempt 2: 10.0.0.8:8080 connect-failed after 1.5 ms\n"));
}

TEST_CASE("a terminal is not given what a client sent to it") {
  auto one = request();
  one["path"] = "/\x1b[2J\n\x7f";
  CHECK(tap_text(one).find("/?[2J??") != std::string::npos);
}

TEST_CASE("each filter takes what it names, and nothing else") {
  const auto takes = [](TapFilter filter) { return filter.takes(request()); };
  CHECK(takes({}));
  CHECK(takes({.service = "web.shop.svc.cluster.local"}));
  CHECK_FALSE(takes({.service = "db.shop.svc.cluster.local"}));
  CHECK(takes({.pod = "shop/web-v1"}));
  CHECK_FALSE(takes({.pod = "shop/web-v2"}));
  CHECK(takes({.from = "shop"}));
  CHECK(takes({.from = "shop/front-0"}));
  CHECK_FALSE(takes({.from = "bank"}));
  CHECK(takes({.method = "GET", .path = "/api", .status = "200"}));
  CHECK_FALSE(takes({.method = "POST"}));
  CHECK_FALSE(takes({.path = "/b"}));
  CHECK(takes({.status = "2xx"}));
  CHECK_FALSE(takes({.status = "5xx"}));
  CHECK_FALSE(takes({.status = "201"}));
  CHECK(is_tap_status("503"));
  for (const char* bad : {"", "5x", "xxx", "5xxx", "0xx", "5a3"}) CHECK_FALSE(is_tap_status(bad));
}

TEST_CASE("a page is read whole or not at all") {
  const auto batch = parse_tap("{\"next\":7,\"lost\":2}\n{\"a\":1}\n{}\n");
  REQUIRE(batch);
  CHECK(batch->next == 7);
  CHECK(batch->lost == 2);
  CHECK(batch->requests.size() == 2);
  for (const char* bad :
       {"", "{}\n", "{\"next\":7}", "{\"next\":-1}\n", "[]\n", "{\"next\":7}\nx\n"}) {
    CHECK_FALSE(parse_tap(bad));
  }
}

namespace {

using TimePoint = TapUnderWay::TimePoint;
using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

/// Request `id` as it is told of before its end.
Json before_end(int id, const char* event, int attempts = 0, int status = 0) {
  auto out = request();
  for (const char* key : {"response_flags", "response_code_details", "duration", "attempt_list",
                          "response_code", "attempts"}) {
    out.erase(key);
  }
  out["event"] = event;
  out["id"] = id;
  if (attempts > 0) out["attempts"] = attempts;
  if (status > 0) out["response_code"] = status;
  return out;
}

std::string shown(TapUnderWay& requests, TimePoint now) {
  std::string out;
  for (const auto& one : requests.due(now)) out += tap_text(one.event, one.under_way);
  return out;
}

}  // namespace

TEST_CASE("a request that lasts is shown once before its end, with the newest that is known") {
  TapUnderWay requests;
  requests.take(before_end(1, "begin"), kStart);
  requests.take(before_end(2, "begin"), kStart);
  requests.take(before_end(1, "attempt", 1), kStart);
  CHECK(shown(requests, kStart + kTapLasting - 1ms).empty());
  requests.drop(before_end(2, "end"));
  CHECK(shown(requests, kStart + 1500ms) ==
        "2026-11-21T21:00:00.123Z shop/front-0 GET web.shop/api/a under way for 1.5 s, no answer "
        "yet by to-v1 of shop/web to shop/web-v1 10.0.0.7:8080\n");
  requests.take(before_end(1, "answer", 1, 200), kStart + 2s);
  CHECK(shown(requests, kStart + 9s).empty());
  requests.take(before_end(3, "begin"), kStart);
  CHECK(shown(requests, kStart + 9s).ends_with("no answer yet by to-v1 of shop/web\n"));
  requests.take(before_end(4, "attempt", 2), kStart);
  CHECK(shown(requests, kStart + 9s).find("9.0 s, attempt 2 by ") != std::string::npos);
  requests.take(before_end(5, "answer", 2, 200), kStart);
  CHECK(shown(requests, kStart + 9s).find("9.0 s, answered 200 by ") != std::string::npos);
  requests.forget();
  CHECK(requests.size() == 0);
}

TEST_CASE("what is remembered of requests under way is bounded") {
  TapUnderWay requests;
  const auto begun = before_end(1, "begin");
  for (std::size_t id = 1; id <= kMaxTapUnderWay + 10; ++id) {
    auto one = begun;
    one["id"] = id;
    requests.take(one, kStart);
  }
  CHECK(requests.size() == kMaxTapUnderWay);
  requests.take(request(), kStart);  // an older waypoint gives no ids
  CHECK(requests.size() == kMaxTapUnderWay);
}

TEST_CASE("an end is told from what comes before it") {
  CHECK(is_end(request()));
  CHECK(is_end(Json{{"event", "end"}}));
  for (const char* kind : {"begin", "attempt", "answer"})
    CHECK_FALSE(is_end(Json{{"event", kind}}));
}
