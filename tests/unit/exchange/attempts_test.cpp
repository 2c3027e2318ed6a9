// Attempts: retries, time limits, and a client that goes away.
#include "waypoint/exchange/record.hpp"
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

Behaviour answers(std::uint16_t status) {
  Behaviour does;
  does.status = status;
  return does;
}
Behaviour no_connection(ErrorCode code) {
  Behaviour does;
  does.connect = code;
  return does;
}
Behaviour reset_by(ErrorCode code) {
  Behaviour does;
  does.reset = code;
  return does;
}

/// Two pods of v1 and one rule.
World two_pods(const std::string& rule) {
  return World(lab_yaml(rule), {"v1-a", "v1-b"});
}

}  // namespace

TEST_CASE("three attempts on 5xx hide a pod that always fails: same id, counted attempts") {
  auto world = two_pods("retries: {attempts: 3, retryOn: 5xx, perTryTimeout: 2s}, " + to("v1"));
  world.upstreams.set("v1-a", answers(500));
  for (int i = 0; i < 40; ++i) {
    const auto before = world.upstreams.seen.size();
    const auto answer = world.ask({});
    REQUIRE(answer.status == 200);
    const auto after = world.upstreams.seen.size();
    if (after == before + 1) continue;
    REQUIRE(after == before + 2);
    const auto& first = world.upstreams.seen[before];
    const auto& second = world.upstreams.seen[before + 1];
    CHECK(first.pod == "v1-a");
    CHECK(second.pod == "v1-b");  // not the one that was tried
    CHECK(first.header("x-request-id") == second.header("x-request-id"));
    CHECK(first.header("x-envoy-attempt-count") == "1");
    CHECK(second.header("x-envoy-attempt-count") == "2");
    CHECK(answer.record.attempts == 2);
    CHECK(answer.record.attempt_list.at(0).status == 500);
    CHECK(answer.flags == "-");
  }
  CHECK(world.upstreams.count("v1-a") > 5);
}

TEST_CASE("what is tried again by which condition, and how often") {
  struct Row {
    std::string on;
    Behaviour does;
    std::size_t attempts;  // 1 + retries
    std::uint16_t status;
    std::string flags;
  };
  const auto closed = ErrorCode::kReset;
  const std::vector<Row> rows = {
      {"5xx", answers(500), 3, 500, "URX"},
      {"gateway-error", answers(500), 1, 500, "-"},
      {"gateway-error", answers(503), 3, 503, "URX"},
      {"retriable-4xx", answers(409), 3, 409, "URX"},
      {"retriable-4xx", answers(404), 1, 404, "-"},
      {"'418'", answers(418), 3, 418, "URX"},
      {"connect-failure", no_connection(ErrorCode::kRefused), 3, 503, "UF,URX"},
      {"connect-failure", no_connection(ErrorCode::kTimeout), 3, 503, "UF,URX"},
      {"refused-stream", no_connection(ErrorCode::kRefused), 1, 503, "UF"},
      {"refused-stream", reset_by(ErrorCode::kRefused), 3, 503, "URX,UR"},
      {"reset", reset_by(closed), 3, 503, "URX,UC"},
      {"connect-failure", reset_by(closed), 1, 503, "UC"},
      {"reset", reset_by(ErrorCode::kProtocol), 3, 502, "URX,UPE"},
      {"5xx", no_connection(ErrorCode::kLimit), 1, 503, "UO"},
      {"5xx", answers(200), 1, 200, "-"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.on);
    CAPTURE(row.flags);
    World world(lab_yaml("retries: {attempts: 2, retryOn: " + row.on + "}, " + to("v1")), {"v1-a"});
    world.upstreams.set("v1-a", row.does);
    const auto answer = world.ask({});
    CHECK(world.upstreams.opened["v1-a"] == static_cast<int>(row.attempts));
    CHECK(answer.record.attempts == row.attempts);
    CHECK(answer.status == row.status);
    CHECK(answer.flags == row.flags);
  }
}

TEST_CASE("without a policy two retries are made on what is safe to send again, and no others") {
  for (const auto& [does, attempts] :
       std::vector<std::pair<Behaviour, int>>{{no_connection(ErrorCode::kRefused), 3},
                                              {answers(503), 1},
                                              {answers(500), 1},
                                              {reset_by(ErrorCode::kRefused), 3},
                                              {reset_by(ErrorCode::kReset), 1}}) {
    World world("", {"ratings-a"});
    world.upstreams.set("ratings-a", does);
    world.ask({.service = "ratings"});
    CHECK(world.upstreams.opened["ratings-a"] == attempts);
  }
}

TEST_CASE("gRPC statuses in the head are tried again by their names") {
  World world(lab_yaml("retries: {attempts: 2, retryOn: unavailable}, " + to("v1")), {"v1-a"});
  Behaviour does;
  does.fields = {{"grpc-status", "14"}, {"content-type", "application/grpc"}};
  world.upstreams.set("v1-a", does);
  world.ask({.fields = {{"content-type", "application/grpc"}}});
  CHECK(world.upstreams.count("v1-a") == 3);
}

TEST_CASE("waits between attempts grow from the base, below ten times of it") {
  World world(lab_yaml("retries: {attempts: 3, retryOn: 5xx, backoff: 100ms}, " + to("v1")),
              {"v1-a"});
  world.upstreams.set("v1-a", answers(500));
  milliseconds longest{0};
  for (int i = 0; i < 50; ++i) longest = std::max(longest, world.ask({}).took);
  CHECK(longest > 500ms);
  CHECK(longest < 100ms + 300ms + 700ms);
}

TEST_CASE("each of the time limits ends what it bounds") {
  struct Row {
    std::string rule;
    Behaviour does;
    std::uint16_t status;
    std::string flags, details;
    milliseconds took;
    std::size_t attempts;
  };
  Behaviour silent;
  silent.answers = false;
  Behaviour slow = answers(200);
  slow.head_after = 900ms;
  Behaviour no_way = answers(200);
  no_way.connect_after = 60s;
  const std::vector<Row> rows = {
      {"timeout: 500ms", silent, 504, "UT", "response_timeout", 500ms, 1},
      {"timeout: 500ms", slow, 504, "UT", "response_timeout", 500ms, 1},
      {"timeout: 1s", slow, 200, "-", "via_upstream", 900ms, 1},
      {"timeout: 500ms, retries: {attempts: 0}", no_way, 504, "UT", "response_timeout", 500ms, 1},
      {"retries: {attempts: 0, perTryTimeout: 200ms}", silent, 200, "-", "via_upstream", 900ms, 1},
      {"timeout: 10s, retries: {attempts: 1, retryOn: connect-failure, perTryTimeout: 200ms}",
       silent, 504, "UT", "upstream_per_try_timeout", 200ms, 1},
  };
  for (const auto& row : rows) {
    if (row.status == 200 && !row.does.answers) continue;
    CAPTURE(row.rule);
    World world(lab_yaml(row.rule + ", " + to("v1")), {"v1-a"});
    world.upstreams.set("v1-a", row.does);
    const auto answer = world.ask({});
    CHECK(answer.status == row.status);
    CHECK(answer.flags == row.flags);
    CHECK(answer.details == row.details);
    CHECK(answer.took == row.took);
    CHECK(world.upstreams.opened["v1-a"] == static_cast<int>(row.attempts));
    if (row.status == 504) CHECK(answer.body == "upstream request timeout");
  }
}

TEST_CASE("a connect timeout is the policy's, and is tried again") {
  World world(subsets("{connectionPool: {tcp: {connectTimeout: 1s}}}"), {"v1-a"});
  Behaviour does;
  does.connect_after = 60s;
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask({});
  CHECK(answer.status == 503);
  CHECK(answer.flags == "UF,URX");
  CHECK(answer.details == "upstream_reset_before_response_started{connection_timeout}");
  CHECK(world.upstreams.opened["v1-a"] == 3);
  CHECK(answer.took >= 3s);
  CHECK(answer.took < 4s);
}

TEST_CASE("an attempt that is too slow is tried elsewhere") {
  auto world = two_pods("retries: {attempts: 2, retryOn: 5xx, perTryTimeout: 300ms}, " + to("v1"));
  Behaviour silent;
  silent.answers = false;
  world.upstreams.set("v1-a", silent);
  for (int i = 0; i < 10; ++i) {
    const auto answer = world.ask({});
    CHECK(answer.status == 200);
    CHECK(answer.took < 600ms);
  }
  REQUIRE(world.upstreams.count("v1-a") > 0);
  for (const auto& seen : world.upstreams.seen) CHECK(seen.cancelled == (seen.pod == "v1-a"));
}

TEST_CASE("time limits hold for a request with a body, from its end") {
  auto world = two_pods(
      "timeout: 2s, retries: {attempts: 2, retryOn: 5xx, perTryTimeout: 300ms}, " + to("v1"));
  Behaviour silent;
  silent.answers = false;
  const Ask post{.method = "POST", .parts = {"a", "b"}, .between_parts = 500ms};
  world.upstreams.set("v1-a", silent);
  for (int i = 0; i < 10; ++i) {
    const auto answer = world.ask(post);
    CHECK(answer.status == 200);
    CHECK(answer.took >= 1s);
    CHECK(answer.took < 1s + 600ms);
    CHECK(world.upstreams.seen.back().body == "ab");
  }
  CHECK(world.upstreams.count("v1-a") > 0);
  world.upstreams.set("v1-b", silent);
  const auto answer = world.ask(post);
  CHECK(answer.status == 504);
  CHECK(answer.flags == "URX,UT");
  CHECK(answer.record.attempts == 3);
}

TEST_CASE("the route's time bounds all attempts and the waits between them") {
  World world(
      lab_yaml("timeout: 1s, retries: {attempts: 100, retryOn: 5xx, backoff: 400ms}, " + to("v1")),
      {"v1-a"});
  world.upstreams.set("v1-a", answers(500));
  for (int i = 0; i < 5; ++i) {
    const auto answer = world.ask({});
    CHECK(answer.status == 504);
    CHECK(answer.took == 1s);
  }
}

TEST_CASE("the route's time cuts an answer that takes longer, and it is no whole one") {
  World world(lab_yaml("timeout: 1s, " + to("v1")), {"v1-a"});
  Behaviour does;
  does.parts = std::vector<std::string>(10, "part");
  does.between_parts = 300ms;
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask({});
  CHECK(answer.status == 200);
  CHECK(answer.body == "partpartpart");
  CHECK_FALSE(answer.whole);
  CHECK(answer.reset.has_value());
  CHECK(answer.flags == "UT");
  CHECK(answer.took == 1s);
  CHECK(world.upstreams.seen.at(0).cancelled);
}

TEST_CASE("an answer that upstream cuts is cut for the client, and never tried again") {
  World world(lab_yaml("retries: {attempts: 3, retryOn: 'reset,5xx'}, " + to("v1")), {"v1-a"});
  Behaviour does;
  does.parts = {"half"};
  does.cut = true;
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask({});
  CHECK(answer.body == "half");
  CHECK_FALSE(answer.whole);
  CHECK(answer.reset.has_value());
  CHECK(answer.flags == "UC");  // of HTTP/1.1 a reset is the connection's
  CHECK(answer.details == "upstream_reset_after_response_started{connection_termination}");
  CHECK(world.upstreams.seen.size() == 1);
  World http2(subsets("{connectionPool: {http: {useClientProtocol: true}}}"), {"v1-a"});
  http2.upstreams.set("v1-a", does);
  const auto of_stream = http2.ask({.version = http::Version::kHttp2});
  CHECK(of_stream.flags == "UR");
  CHECK(of_stream.details == "upstream_reset_after_response_started{remote_reset}");
}

TEST_CASE("the time begins when the request has come whole") {
  World world(lab_yaml("timeout: 1s, " + to("v1")), {"v1-a"});
  Behaviour does;
  does.head_after = 500ms;
  world.upstreams.set("v1-a", does);
  Ask slow{.method = "POST", .parts = {"a", "b", "c"}, .between_parts = 2s};
  CHECK(world.ask(slow).status == 200);
  does.answers = false;
  world.upstreams.set("v1-a", does);
  const auto answer = world.ask(slow);
  CHECK(answer.status == 504);
  CHECK(answer.took == 7s);
}

TEST_CASE("the caller of the mesh may say times and retries, and upstream is told the times") {
  World world(lab_yaml("timeout: 9s, " + to("v1")), {"v1-a"});
  Behaviour silent;
  silent.answers = false;
  world.upstreams.set("v1-a", silent);
  auto answer = world.ask({.fields = {{"x-envoy-upstream-rq-timeout-ms", "250"}}});
  CHECK(answer.status == 504);
  CHECK(answer.took == 250ms);
  CHECK(world.upstreams.seen.back().header("x-envoy-expected-rq-timeout-ms") == "250");
  CHECK(world.upstreams.seen.back().header("x-envoy-upstream-rq-timeout-ms").empty());
  world.upstreams.set("v1-a", answers(500));
  answer = world.ask({.fields = {{"x-envoy-retry-on", "5xx"}, {"x-envoy-max-retries", "4"}}});
  CHECK(answer.record.attempts == 5);
  CHECK(world.upstreams.seen.back().header("x-envoy-expected-rq-timeout-ms") == "9000");
  answer = world.ask(
      {.fields = {{"x-envoy-retry-on", "of-the-future, 5xx"}, {"x-envoy-max-retries", "2"}}});
  CHECK(answer.record.attempts == 3);
}

TEST_CASE("grpc-timeout ends the call with DEADLINE_EXCEEDED, and goes on lowered") {
  World world(
      lab_yaml("fault: {delay: {fixedDelay: 100ms, percentage: {value: 100}}}, " + to("v1")),
      {"v1-a"});
  Behaviour silent;
  silent.answers = false;
  world.upstreams.set("v1-a", silent);
  const auto answer =
      world.ask({.fields = {{"content-type", "application/grpc"}, {"grpc-timeout", "300m"}}});
  CHECK(answer.header("grpc-status") == "4");
  CHECK(answer.took == 300ms);
  CHECK(world.upstreams.seen.at(0).header("grpc-timeout") == "200000u");
}

TEST_CASE("a route's timeout lowers grpc-timeout, and never raises it") {
  World world(lab_yaml("timeout: 2s, " + to("v1")), {"v1-a"});
  world.ask({.fields = {{"content-type", "application/grpc"}, {"grpc-timeout", "5S"}}});
  world.ask({.fields = {{"content-type", "application/grpc"}, {"grpc-timeout", "1S"}}});
  world.ask({.fields = {{"content-type", "application/grpc"}}});
  CHECK(world.upstreams.seen.at(0).header("grpc-timeout") == "2000000u");
  CHECK(world.upstreams.seen.at(1).header("grpc-timeout") == "1000000u");
  CHECK(world.upstreams.seen.at(2).header("grpc-timeout") == "2000000u");
}

TEST_CASE("a client that goes away cancels the attempt at once, wherever it stands") {
  struct Row {
    std::string name;
    Behaviour does;
    Ask ask;
    std::size_t seen;
  };
  Behaviour silent;
  silent.answers = false;
  Behaviour slow_body;
  slow_body.parts = std::vector<std::string>(10, "x");
  slow_body.between_parts = 100ms;
  Behaviour connecting;
  connecting.connect_after = 5s;
  Behaviour takes_nothing;
  takes_nothing.takes = false;
  Ask get;
  Ask post{.method = "POST", .parts = {"a", "b"}, .between_parts = 100ms};
  const std::vector<Row> rows = {
      {"before the head", silent, get, 1},
      {"in the body", slow_body, get, 1},
      {"connecting", connecting, get, 0},
      {"uploading", silent, post, 1},
      {"connecting with a body", connecting, post, 0},
      {"upstream takes nothing", takes_nothing, post, 1},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    World world(lab_yaml("retries: {attempts: 5, retryOn: 'reset,5xx'}, " + to("v1")), {"v1-a"});
    world.upstreams.set("v1-a", row.does);
    auto ask = row.ask;
    ask.gone_after = 350ms;
    const auto answer = world.ask(ask);
    CHECK(answer.took == 350ms);
    CHECK(answer.flags == "DC");
    REQUIRE(world.upstreams.seen.size() == row.seen);
    for (const auto& seen : world.upstreams.seen) CHECK(seen.cancelled);
  }
}

TEST_CASE(
    "who ended a request is told: by flag, details, and the status that its connection says") {
  struct Row {
    StoppedBy who;
    std::uint16_t status;  // where no answer had begun
    std::string flags, details;
  };
  using enum StoppedBy;
  const std::vector<Row> rows = {
      {kClient, 0, "DC", "downstream_remote_disconnect"},
      {kClientReset, 0, "DR", "downstream_remote_reset"},
      {kIdleTime, 408, "SI", "stream_idle_timeout"},
      {kOwner, 0, "LR", "local_reset"},
  };
  Behaviour silent;
  silent.answers = false;
  Behaviour endless;
  endless.waits_for_all = false;
  endless.parts = std::vector<std::string>(100, "x");
  endless.between_parts = 100ms;
  for (const auto& row : rows) {
    CAPTURE(row.flags);
    for (const bool answering : {false, true}) {
      for (const bool uploading : {false, true}) {
        World world(lab_yaml(to("v1")), {"v1-a"});
        world.upstreams.set("v1-a", answering ? endless : silent);
        Ask ask{.gone_after = 1s, .stopped_by = row.who};
        if (uploading) {
          ask.method = "POST";
          ask.parts = {"a"};
          ask.ends = false;
        }
        const auto answer = world.ask(ask);
        CHECK(answer.flags == row.flags);
        CHECK(answer.details == row.details);
        CHECK(answer.record.status == (answering ? 200 : row.status));
      }
    }
  }
  World delayed(
      lab_yaml("fault: {delay: {fixedDelay: 5s, percentage: {value: 100}}}, " + to("v1")));
  const auto answer = delayed.ask({.gone_after = 1s, .stopped_by = kIdleTime});
  CHECK(answer.flags == "DI,SI");
  CHECK(answer.record.status == 408);
}

TEST_CASE("a request that is refused has its reason in its line, and DPE unless it came too late") {
  telemetry::ExchangeRecord record;
  namespace refusals = http::refusals;
  for (const auto& why : {refusals::kRequestLine, refusals::kTargetTooLong, refusals::kHeadTooLong,
                          refusals::kMethodTooLong, refusals::kVersion, refusals::kExpectation,
                          refusals::kTrailersTooLong, refusals::kChunkSizeTooLarge}) {
    CAPTURE(why.text);
    record_refusal(why, record);
    CHECK(record.all_flags().to_string() == "DPE");
    CHECK(record.code_details().find(' ') == std::string::npos);
    CHECK(record.code_details().size() == std::string_view(why.text).size());
  }
  record_refusal(refusals::kHeadTimeout, record);
  CHECK(record.all_flags().to_string() == "-");
  CHECK(record.code_details() == "the_request_did_not_come_in_time");
}

TEST_CASE("a client that goes away between two attempts is not tried for again") {
  World world(lab_yaml("retries: {attempts: 5, retryOn: 5xx, backoff: 10s}, " + to("v1")),
              {"v1-a"});
  world.upstreams.set("v1-a", answers(500));
  const auto answer = world.ask({.gone_after = 1ms});
  CHECK(answer.flags == "DC");
  CHECK(world.upstreams.seen.size() == 1);
}

TEST_CASE("faults: the delay comes before the route's time, the abort before any upstream") {
  struct Row {
    std::string fault;
    std::uint16_t status;
    std::string flags, details;
    milliseconds took;
    std::size_t seen;
  };
  const std::string all = "percentage: {value: 100}";
  const std::vector<Row> rows = {
      {"delay: {fixedDelay: 5s, " + all + "}", 200, "DI", "via_upstream", 5s, 1},
      {"abort: {httpStatus: 500, " + all + "}", 500, "FI", "fault_filter_abort", 0s, 0},
      {"delay: {fixedDelay: 5s, " + all + "}, abort: {httpStatus: 503, " + all + "}", 503, "DI,FI",
       "fault_filter_abort", 5s, 0},
      {"abort: {grpcStatus: UNAVAILABLE, " + all + "}", 200, "FI", "fault_filter_abort", 0s, 0},
      {"delay: {fixedDelay: 5s, percentage: {value: 0}}", 200, "-", "via_upstream", 0s, 1},
  };
  for (const auto& row : rows) {
    CAPTURE(row.fault);
    World world(lab_yaml("timeout: 2s, fault: {" + row.fault + "}, " + to("v1")), {"v1-a"});
    const auto answer = world.ask({});
    CHECK(answer.status == row.status);
    CHECK(answer.flags == row.flags);
    CHECK(answer.details == row.details);
    CHECK(answer.took == row.took);
    CHECK(world.upstreams.seen.size() == row.seen);
    if (row.flags.ends_with("FI")) CHECK(answer.body == "fault filter abort");
  }
}

TEST_CASE("http2Error resets the stream with its code") {
  World world(lab_yaml("fault: {abort: {http2Error: REFUSED_STREAM, percentage: {value: 100}}}, " +
                       to("v1")));
  const auto answer = world.ask({.version = http::Version::kHttp2});
  CHECK(answer.status == 0);
  CHECK(answer.reset == 7);
  CHECK(answer.flags == "FI");
  CHECK(world.upstreams.seen.empty());
}

TEST_CASE("a client that goes away during a delay is over") {
  World world(lab_yaml("fault: {delay: {fixedDelay: 5s, percentage: {value: 100}}}, " + to("v1")));
  const auto answer = world.ask({.gone_after = 1s});
  CHECK(answer.took == 1s);
  CHECK(answer.flags == "DC,DI");
  CHECK(world.upstreams.seen.empty());
}

TEST_CASE("a client that leaves during a retry is told so, not as the time-out of the try before") {
  Behaviour silent;
  silent.answers = false;
  World world(lab_yaml("retries: {attempts: 1, perTryTimeout: 1s, retryOn: 5xx}, timeout: 10s, " +
                       to("v1")),
              {"v1-a"});
  world.upstreams.set("v1-a", silent);
  // The body is read while the first try waits, so that its end of time is the body's to see.
  const auto answer = world.ask(
      {.method = "POST", .parts = {"one", "two"}, .between_parts = 10ms, .gone_after = 1500ms});
  CHECK(world.upstreams.seen.size() == 2);
  CHECK(answer.record.attempts == 2);
  CHECK(answer.flags == "DC");
}
