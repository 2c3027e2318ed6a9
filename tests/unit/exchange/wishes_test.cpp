// What a caller of the mesh says of retries, where the answer's headers decide.
#include "world.hpp"

using namespace culvert::waypoint::test;

namespace {

struct Row {
  std::string on;  // of the rule
  FieldList says;  // the caller
  std::uint16_t status;
  FieldList answered;
  std::size_t attempts;
};

void check(const Row& row, bool of_the_mesh) {
  CAPTURE(row.on);
  CAPTURE(row.status);
  World world(lab_yaml("retries: {attempts: 2, retryOn: '" + row.on + "'}, " + to("v1")), {"v1-a"});
  Behaviour does;
  does.status = row.status;
  does.fields = row.answered;
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask({.fields = row.says, .with_identity = of_the_mesh});
  CHECK(answer.record.attempts == row.attempts);
  CHECK(answer.status == row.status);
  for (const auto& seen : world.upstreams.seen) {
    for (const auto& [name, value] : row.says) CHECK(seen.header(name).empty());
  }
}

const FieldList kLimited = {{"x-envoy-ratelimited", "true"}};
const FieldList kAgain = {{"x-again", "yes"}};
const FieldList kNames = {{"x-envoy-retriable-header-names", "x-other, X-Again"}};

}  // namespace

TEST_CASE("x-envoy-ratelimited in an answer forbids a retry, but to envoy-ratelimited") {
  check({"5xx", {}, 503, {}, 3}, true);
  check({"5xx", {}, 503, kLimited, 1}, true);
  check({"envoy-ratelimited", {}, 429, kLimited, 3}, true);
  check({"envoy-ratelimited", {}, 200, kLimited, 3}, true);
  check({"envoy-ratelimited", {}, 429, {}, 1}, true);
  check({"5xx", {{"x-envoy-retry-on", "envoy-ratelimited"}}, 503, kLimited, 3}, true);
}

TEST_CASE(
    "headers and codes that a caller names are tried again where the rule or it asks for it") {
  check({"retriable-headers", kNames, 200, kAgain, 3}, true);
  check({"retriable-headers", kNames, 200, {}, 1}, true);
  check({"retriable-headers", {}, 200, kAgain, 1}, true);
  check({"5xx", kNames, 200, kAgain, 1}, true);
  const FieldList codes = {{"x-envoy-retriable-status-codes", "418, 429"}};
  check({"404", codes, 429, {}, 3}, true);
  check({"404", codes, 404, {}, 3}, true);
  check({"404", codes, 409, {}, 1}, true);
  check({"5xx", codes, 429, {}, 1}, true);
}

TEST_CASE("what a stranger names counts for nothing, and goes no further") {
  check({"retriable-headers", kNames, 200, kAgain, 1}, false);
  check({"404", {{"x-envoy-retriable-status-codes", "429"}}, 429, {}, 1}, false);
  check({"404", {{"x-envoy-retry-on", "5xx"}}, 500, {}, 1}, false);
}
