#include "culvert/telemetry/access_filter.hpp"

#include <doctest/doctest.h>

#include "sample_record.hpp"

using namespace culvert;
using namespace culvert::telemetry;
using namespace culvert::test;

namespace {

AccessFilter filter_of(std::string_view text) {
  auto made = AccessFilter::parse(text);
  REQUIRE_MESSAGE(made.has_value(), made.error());
  return std::move(*made);
}

ConnectionRecord failed_record(ResponseFlag flag) {
  auto record = sample_record();
  record.outcome = Outcome{"it failed", ""};
  record.flag = flag;
  return record;
}

}  // namespace

TEST_CASE("an empty filter lets everything through") {
  auto filter = filter_of("");
  CHECK(filter.wants(sample_record()));
  CHECK(filter.wants(failed_record(ResponseFlag::kDeny)));
}

TEST_CASE("terms choose errors, directions, namespaces of either end and reasons") {
  const auto fine = sample_record();  // inbound, from shop to data
  const auto denied = failed_record(ResponseFlag::kDeny);
  CHECK_FALSE(filter_of("errors").wants(fine));
  CHECK(filter_of("errors").wants(denied));
  CHECK(filter_of("direction=inbound").wants(fine));
  CHECK_FALSE(filter_of("direction=outbound").wants(fine));
  CHECK(filter_of("namespace=other|data").wants(fine));
  CHECK(filter_of("namespace=shop").wants(fine));
  CHECK_FALSE(filter_of("namespace=sho|dat").wants(fine));
  CHECK(filter_of("reason=CONNECT|DENY").wants(denied));
  CHECK_FALSE(filter_of("reason=CONNECT|DENY").wants(fine));
  CHECK(filter_of("reason=-").wants(fine));
}

TEST_CASE("what passes a waypoint is chosen by its own direction, requests by flags of their own") {
  auto passed = sample_record();
  passed.direction = Direction::kWaypoint;
  CHECK(filter_of("direction=waypoint").wants(passed));
  CHECK_FALSE(filter_of("direction=inbound").wants(passed));
  CHECK_FALSE(filter_of("direction=waypoint").wants(sample_record()));

  ExchangeRecord fine, full, late;
  full.end = ExchangeEnd::kOverflow;
  late.end = ExchangeEnd::kTimeout;
  late.flags.set(ExchangeFlag::kRetriesExceeded);
  CHECK(filter_of("direction=waypoint").wants(fine));
  CHECK_FALSE(filter_of("direction=inbound").wants(fine));
  CHECK(filter_of("reason=UO|DENY").wants(full));
  CHECK_FALSE(filter_of("reason=UO|DENY").wants(late));
  CHECK_FALSE(filter_of("reason=UO|DENY").wants(fine));
  CHECK(filter_of("reason=URX").wants(late));
  CHECK(filter_of("reason=-").wants(fine));
  CHECK_FALSE(filter_of("reason=-").wants(full));
  // What a server that is not reached has of either kind.
  CHECK(filter_of("reason=UO").wants(failed_record(ResponseFlag::kUpstreamOverflow)));
  CHECK_FALSE(filter_of("reason=UO").wants(failed_record(ResponseFlag::kUpstreamFailure)));
  CHECK_FALSE(filter_of("reason=UO").wants(sample_record()));
  // Flags of requests alone keep no connection, and the other way round.
  CHECK_FALSE(filter_of("reason=UT").wants(failed_record(ResponseFlag::kUpstreamFailure)));
  CHECK_FALSE(filter_of("reason=DENY").wants(full));
}

TEST_CASE("every term must hold") {
  auto filter = filter_of("errors,direction=inbound,namespace=shop,reason=DENY");
  CHECK(filter.wants(failed_record(ResponseFlag::kDeny)));
  CHECK_FALSE(filter.wants(failed_record(ResponseFlag::kConnect)));
  auto outbound = failed_record(ResponseFlag::kDeny);
  outbound.direction = Direction::kOutbound;
  CHECK_FALSE(filter.wants(outbound));
}

TEST_CASE("a sample keeps its share of the successes and every failure") {
  for (const auto& [text, kept] :
       {std::pair{"sample=0.25", 250}, std::pair{"sample=0", 0}, std::pair{"sample=1", 1000}}) {
    auto filter = filter_of(text);
    int fine = 0, failed = 0;
    for (int i = 0; i < 1000; ++i) {
      fine += filter.wants(sample_record()) ? 1 : 0;
      failed += filter.wants(failed_record(ResponseFlag::kConnect)) ? 1 : 0;
    }
    CHECK(fine == kept);
    CHECK(failed == 1000);
  }
}

TEST_CASE("a wrong term is refused with what is possible") {
  for (const char* text : {"error", "errors=1", "direction=up", "namespace=", "namespace",
                           "reason=", "sample=", "sample=2", "sample=-1", "sample=nan",
                           "sample=0.1x", "errors,what=1", "=", ",errors"}) {
    CAPTURE(text);
    const auto made = AccessFilter::parse(text);
    REQUIRE_FALSE(made.has_value());
    CHECK_FALSE(made.error().empty());
  }
  CHECK(AccessFilter::parse("reason=NOPE").error().find("H2_HANDSHAKE_FAILURE") !=
        std::string::npos);
  CHECK(AccessFilter::parse("nope").error().find("direction=inbound|outbound|waypoint") !=
        std::string::npos);
  CHECK_FALSE(AccessFilter::parse("namespace=" + std::string(kMaxFilterBytes, 'a')).has_value());
}
