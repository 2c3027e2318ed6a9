// Outlier detection under a clock that the test moves.
#include "culvert/l7/outlier.hpp"

#include <doctest/doctest.h>

using namespace culvert::l7;
using namespace std::chrono_literals;

namespace {

OutlierPolicy policy() {
  OutlierPolicy made;
  made.consecutive_5xx = 7;
  made.interval = 5min;
  made.base_ejection_time = 15min;
  made.max_ejection_percent = 100;
  return made;
}

OutlierDetector detector(const OutlierPolicy& made, std::size_t endpoints) {
  OutlierDetector detector(made);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < endpoints; ++i)
    ids.push_back(std::string(1, static_cast<char>('a' + i)));
  detector.set_endpoints(ids);
  return detector;
}

constexpr EndpointResult kError{false, 500};
constexpr EndpointResult kGateway{false, 503};
constexpr EndpointResult kOk{false, 200};
constexpr EndpointResult kLocal{true, 0};

bool fail(OutlierDetector& d, const char* id, int times, EndpointResult how, Time now) {
  bool ejected = false;
  for (int i = 0; i < times; ++i) ejected = d.record(id, how, now);
  return ejected;
}

}  // namespace

TEST_CASE(
    "seven errors in a row eject for 15 minutes, the second time for 30, "
    "and so on without end") {
  auto d = detector(policy(), 3);
  Time now = 0ms;
  for (int round = 1; round <= 40; ++round) {
    CAPTURE(round);
    CHECK_FALSE(fail(d, "a", 6, kError, now));
    CHECK(d.usable("a"));
    CHECK(d.record("a", kError, now));
    CHECK_FALSE(d.usable("a"));
    CHECK(d.usable("b"));
    const auto end = now + round * 15min;
    CHECK(d.ejected_until("a") == end);
    d.sweep(end - 1ms);
    CHECK_FALSE(d.usable("a"));
    CHECK(d.sweep(end + 5min));  // swept once an interval
    CHECK(d.usable("a"));
    now = end + 10min;
  }
}

TEST_CASE("an answer without error starts the count over") {
  auto d = detector(policy(), 1);
  CHECK_FALSE(fail(d, "a", 6, kError, 0ms));
  CHECK_FALSE(d.record("a", kOk, 0ms));
  CHECK_FALSE(fail(d, "a", 6, kError, 0ms));
  CHECK(d.record("a", kError, 0ms));
}

TEST_CASE("it is swept at most once an interval") {
  auto made = policy();
  made.base_ejection_time = 1s;
  made.interval = 10s;
  auto d = detector(made, 1);
  d.sweep(0s);
  CHECK(fail(d, "a", 7, kError, 0s));
  CHECK_FALSE(d.sweep(9s));
  CHECK_FALSE(d.usable("a"));
  CHECK(d.sweep(10s));
  CHECK(d.usable("a"));
}

TEST_CASE("never more are ejected than maxEjectionPercent") {
  for (const auto& [percent, endpoints, most] :
       {std::tuple{10U, 3U, 0U}, std::tuple{34U, 3U, 1U}, std::tuple{50U, 4U, 2U},
        std::tuple{49U, 4U, 1U}, std::tuple{100U, 4U, 4U}, std::tuple{10U, 10U, 1U}}) {
    auto made = policy();
    made.max_ejection_percent = percent;
    auto d = detector(made, endpoints);
    for (std::size_t i = 0; i < endpoints; ++i) {
      fail(d, std::string(1, static_cast<char>('a' + i)).c_str(), 7, kError, 0ms);
    }
    CHECK(d.ejected() == most);
  }
}

TEST_CASE(
    "gateway errors are counted by themselves, and only where they are "
    "asked for") {
  auto made = policy();
  made.consecutive_5xx = 0;
  auto off = detector(made, 1);
  CHECK_FALSE(fail(off, "a", 100, kGateway, 0ms));
  made.consecutive_gateway_errors = 3;
  auto d = detector(made, 1);
  CHECK_FALSE(fail(d, "a", 100, kError, 0ms));
  CHECK_FALSE(fail(d, "a", 2, kGateway, 0ms));
  CHECK_FALSE(d.record("a", kError, 0ms));
  CHECK_FALSE(fail(d, "a", 2, kGateway, 0ms));
  CHECK(d.record("a", kGateway, 0ms));
}

TEST_CASE("what ends without an answer is a 503, or where split its own kind") {
  auto made = policy();
  made.consecutive_5xx = 2;
  auto d = detector(made, 1);
  CHECK(fail(d, "a", 2, kLocal, 0ms));
  made.split_local_origin = true;
  made.consecutive_local_origin = 3;
  auto split = detector(made, 1);
  CHECK_FALSE(fail(split, "a", 2, kLocal, 0ms));
  CHECK_FALSE(split.record("a", kError, 0ms));
  CHECK_FALSE(fail(split, "a", 2, kLocal, 0ms));
  CHECK(split.record("a", kLocal, 0ms));
}

TEST_CASE("error codes of one's own take the place of 5xx") {
  auto made = policy();
  made.consecutive_5xx = 2;
  made.error_codes = {429};
  auto d = detector(made, 1);
  CHECK_FALSE(fail(d, "a", 10, kError, 0ms));
  CHECK(fail(d, "a", 2, {false, 429}, 0ms));
}

TEST_CASE("below minHealthPercent all are used again") {
  auto made = policy();
  made.min_health_percent = 50;
  auto d = detector(made, 4);
  fail(d, "a", 7, kError, 0ms);
  fail(d, "b", 7, kError, 0ms);
  CHECK_FALSE(d.usable("a"));
  fail(d, "c", 7, kError, 0ms);
  CHECK(d.usable("a"));
  CHECK(d.ejected() == 3);
}

TEST_CASE("endpoints that are gone are forgotten, with their ejections") {
  auto d = detector(policy(), 2);
  CHECK(fail(d, "a", 7, kError, 0ms));
  d.set_endpoints({"b", "c"});
  CHECK(d.ejected() == 0);
  CHECK_FALSE(fail(d, "a", 7, kError, 0ms));
  d.set_endpoints({"a", "b"});
  CHECK(fail(d, "a", 7, kError, 0ms));
  CHECK(d.ejected_until("a") == 15min);
}
