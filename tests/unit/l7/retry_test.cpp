// Conditions of retries as Envoy documents them, back-off and budget.
#include "culvert/l7/retry.hpp"

#include <doctest/doctest.h>

using namespace culvert::l7;
using Kind = AttemptResult::Kind;
using std::chrono::milliseconds;

namespace {

AttemptResult status(std::uint16_t code) {
  return {.status = code};
}
AttemptResult grpc(std::uint32_t code) {
  return {.status = 200, .grpc_status = code};
}
AttemptResult end(Kind kind, bool sent = true) {
  return {.kind = kind, .request_sent = sent};
}

bool asks(const char* on, const AttemptResult& result) {
  const auto parsed = parse_retry_on(on);
  REQUIRE(parsed);
  return asks_for_retry(*parsed, result);
}

}  // namespace

TEST_CASE("each condition asks for what it says and nothing near it") {
  struct Row {
    const char* on;
    AttemptResult result;
    bool asks;
  };
  for (const auto& row : {
           Row{"5xx", status(500), true},
           Row{"5xx", status(599), true},
           Row{"5xx", status(499), false},
           Row{"5xx", end(Kind::kReset), true},
           Row{"5xx", end(Kind::kConnectFailure), true},
           Row{"5xx", end(Kind::kPerTryTimeout), true},
           Row{"5xx", end(Kind::kRefusedStream), true},
           Row{"gateway-error", status(500), false},
           Row{"gateway-error", status(502), true},
           Row{"gateway-error", status(504), true},
           Row{"gateway-error", status(505), false},
           Row{"gateway-error", end(Kind::kReset), true},
           Row{"reset", end(Kind::kReset), true},
           Row{"reset", end(Kind::kPerTryTimeout), true},
           Row{"reset", status(503), false},
           Row{"reset-before-request", end(Kind::kReset, false), true},
           Row{"reset-before-request", end(Kind::kReset, true), false},
           Row{"connect-failure", end(Kind::kConnectFailure), true},
           Row{"connect-failure", end(Kind::kReset), false},
           Row{"connect-failure", end(Kind::kPerTryTimeout), false},
           Row{"retriable-4xx", status(409), true},
           Row{"retriable-4xx", status(404), false},
           Row{"refused-stream", end(Kind::kRefusedStream), true},
           Row{"refused-stream", end(Kind::kReset), false},
           Row{"retriable-status-codes", status(503), false},
           Row{"503", status(503), true},
           Row{"503", status(502), false},
           Row{"503", end(Kind::kReset), false},
           Row{"cancelled", grpc(1), true},
           Row{"cancelled", grpc(14), false},
           Row{"deadline-exceeded", grpc(4), true},
           Row{"internal", grpc(13), true},
           Row{"resource-exhausted", grpc(8), true},
           Row{"unavailable", grpc(14), true},
           Row{"unavailable", status(503), false},
           Row{"unavailable", grpc(0), false},
           Row{"5xx,reset", end(Kind::kOverflow), false},
           Row{"5xx", {.status = 503, .rate_limited = true}, false},
           Row{"503,unavailable,retriable-headers",
               {.status = 503, .grpc_status = 14, .rate_limited = true, .retriable_header = true},
               false},
           Row{"envoy-ratelimited", {.status = 429, .rate_limited = true}, true},
           Row{"envoy-ratelimited", {.status = 200, .rate_limited = true}, true},
           Row{"envoy-ratelimited", status(429), false},
           Row{"envoy-ratelimited", end(Kind::kReset), false},
           Row{"retriable-headers", {.status = 200, .retriable_header = true}, true},
           Row{"retriable-headers", status(500), false},
           Row{"5xx", {.status = 200, .retriable_header = true}, false},
           Row{"http3-post-connect-failure", end(Kind::kConnectFailure), false},
           Row{"http3-post-connect-failure", end(Kind::kReset), false},
           Row{"http3-post-connect-failure", status(500), false},
       }) {
    CAPTURE(row.on);
    CAPTURE(static_cast<int>(row.result.kind));
    CAPTURE(row.result.status);
    CHECK(asks(row.on, row.result) == row.asks);
  }
}

TEST_CASE("the list has blanks and codes in it, and names what it does not know") {
  const auto on = parse_retry_on(" gateway-error , 418,,reset ");
  REQUIRE(on);
  CHECK(on->has(RetryCondition::kGatewayError));
  CHECK(on->has(RetryCondition::kReset));
  CHECK(on->has(RetryCondition::kRetriableStatusCodes));
  CHECK(on->status_codes == std::vector<std::uint16_t>{418});
  CHECK(parse_retry_on("")->conditions == 0);
  CHECK(parse_retry_on("5XX").error() == "5XX");
  CHECK(parse_retry_on("reset,99").error() == "99");
  CHECK(parse_retry_on("600").error() == "600");
  for (const auto& name : retry_condition_names()) CHECK(parse_retry_on(name)->conditions != 0);
}

TEST_CASE("by default two retries, on what is safe to send again") {
  const auto policy = default_retry_policy();
  CHECK(policy.attempts == 2);
  CHECK(asks_for_retry(policy.on, end(Kind::kConnectFailure)));
  CHECK(asks_for_retry(policy.on, end(Kind::kRefusedStream)));
  CHECK(asks_for_retry(policy.on, grpc(14)));
  CHECK(asks_for_retry(policy.on, grpc(1)));
  CHECK_FALSE(asks_for_retry(policy.on, status(503)));
  CHECK_FALSE(asks_for_retry(policy.on, end(Kind::kReset)));
}

TEST_CASE("a caller's wishes come to the rule's conditions, and its number is in force") {
  RetryPolicy rules;
  rules.attempts = 3;
  rules.on = *parse_retry_on("gateway-error,404");
  RetryWishes wishes;
  for (const auto& [name, value] : {
           std::pair{"x-envoy-retry-on", "retriable-headers, of-tomorrow ,reset, cancelled,503"},
           std::pair{"x-envoy-retry-grpc-on", "unavailable,5xx,500"},
           std::pair{"x-envoy-retriable-status-codes", " 418,x,,1000, 429"},
           std::pair{"x-envoy-retriable-header-names", "X-Again, ,x-other"},
           std::pair{"x-envoy-retriable-header-names", "x-third"},
           std::pair{"x-envoy-retry", "5xx"},
       }) {
    read_retry_wish(wishes, name, value);
  }
  auto both = with_wishes(&rules, wishes);
  CHECK(both.attempts == 3);
  CHECK(both.on.status_codes == std::vector<std::uint16_t>{404, 418, 429});
  CHECK(both.on.header_names == std::vector<std::string>{"x-again", "x-other", "x-third"});
  both.on.status_codes.clear();
  both.on.header_names.clear();
  auto conditions = *parse_retry_on("gateway-error,retriable-status-codes,retriable-headers,reset");
  conditions.conditions |= parse_retry_on("unavailable")->conditions;
  CHECK(both.on == conditions);
  CHECK(with_wishes(nullptr, wishes).attempts == 1);
  read_retry_wish(wishes, "x-envoy-max-retries", "7");
  CHECK(with_wishes(&rules, wishes).attempts == 7);
  CHECK(with_wishes(nullptr, wishes).attempts == 7);
  CHECK(with_wishes(&rules, {}) == rules);
}

TEST_CASE("codes and names alone ask for no retry, nor does a number that is none") {
  RetryWishes wishes;
  read_retry_wish(wishes, "x-envoy-retriable-status-codes", "503");
  read_retry_wish(wishes, "x-envoy-retriable-header-names", "x-again");
  read_retry_wish(wishes, "x-envoy-max-retries", "-1");
  const auto policy = with_wishes(nullptr, wishes);
  CHECK(policy.attempts == 0);
  CHECK_FALSE(asks_for_retry(policy.on, {.status = 503, .retriable_header = true}));
}

TEST_CASE("back-off grows to ten times the base, and is drawn below that") {
  auto policy = default_retry_policy();
  Random random(3);
  for (const auto& [retry, below] : {std::pair{1U, 25}, std::pair{2U, 75}, std::pair{3U, 175},
                                     std::pair{4U, 250}, std::pair{40U, 250}}) {
    milliseconds longest{0};
    milliseconds shortest{1000};
    for (int i = 0; i < 5000; ++i) {
      const auto wait = retry_backoff(policy, retry, random);
      longest = std::max(longest, wait);
      shortest = std::min(shortest, wait);
    }
    CHECK(longest.count() == below - 1);
    CHECK(shortest.count() == 0);
  }
  policy.backoff = milliseconds(0);
  CHECK(retry_backoff(policy, 1, random).count() == 0);
}

TEST_CASE("the budget: a share of what is active, and never less than its floor") {
  const RetryBudget budget;
  CHECK(budget.allows(0, 2));
  CHECK_FALSE(budget.allows(0, 3));
  CHECK_FALSE(budget.allows(15, 3));
  CHECK(budget.allows(100, 19));
  CHECK_FALSE(budget.allows(100, 20));
}
