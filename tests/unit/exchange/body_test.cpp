// Bodies: kept for another attempt, passed on as they come, mirrored; tunnels.
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

constexpr std::size_t kKiB = 1024;

std::string random_text(std::size_t bytes) {
  l7::Random random(bytes);
  std::string text(bytes, ' ');
  for (auto& c : text) c = static_cast<char>('a' + random.below(26));
  return text;
}

std::vector<std::string> split(const std::string& text, std::size_t bytes) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size(); at += bytes) parts.push_back(text.substr(at, bytes));
  return parts;
}

/// The first request fails by `first`, the others are answered.
void fail_first(World& world, const Behaviour& first) {
  world.upstreams.pods["v1-a"] = [first](int count) { return count == 0 ? first : Behaviour(); };
}

}  // namespace

TEST_CASE("a retry gets the whole body again, however it came and wherever the first one stopped") {
  const auto text = random_text(300 * kKiB);
  Behaviour status;
  status.status = 503;
  Behaviour early = status;
  early.waits_for_all = false;
  Behaviour reset;
  reset.reset = ErrorCode::kReset;
  Behaviour connect;
  connect.connect = ErrorCode::kRefused;
  Behaviour stalls;
  stalls.takes = false;
  stalls.waits_for_all = false;
  stalls.reset = ErrorCode::kReset;
  stalls.head_after = 5ms;
  for (const auto& first : {status, early, reset, connect, stalls}) {
    for (const std::size_t part : {std::size_t{1000}, 16 * kKiB, 300 * kKiB}) {
      for (const auto between : {0ms, 1ms}) {
        CAPTURE(part);
        CAPTURE(between.count());
        World world(lab_yaml("retries: {attempts: 2, retryOn: '5xx,reset'}, " + to("v1")),
                    {"v1-a"});
        fail_first(world, first);
        const auto answer = world.ask({.method = "POST",
                                       .parts = split(text, part),
                                       .between_parts = between,
                                       .trailers = {{"x-end", "1"}}});
        CHECK(answer.status == 200);
        CHECK(world.upstreams.seen.back().body == text);
        CHECK(world.upstreams.seen.back().trailers == FieldList{{"x-end", "1"}});
        CHECK(answer.record.received_bytes == text.size());
      }
    }
  }
}

TEST_CASE("a body beyond the bound passes whole, and is not tried again") {
  const auto text = random_text(200 * kKiB);
  for (const bool fails : {false, true}) {
    CAPTURE(fails);
    World world(lab_yaml("retries: {attempts: 2, retryOn: 5xx}, " + to("v1")), {"v1-a"});
    world.settings.retry_buffer_bytes = 100 * kKiB;
    Behaviour first;
    first.status = fails ? 503 : 200;
    fail_first(world, first);
    const auto answer = world.ask({.method = "POST", .parts = split(text, 16 * kKiB)});
    CHECK(answer.status == first.status);
    REQUIRE(world.upstreams.seen.size() == 1);
    CHECK(world.upstreams.seen[0].body == text);
    CHECK(world.upstreams.seen[0].whole);
  }
}

TEST_CASE("an answer before the request's end is passed on at once") {
  World world(lab_yaml(to("v1")), {"v1-a"});
  Behaviour early;
  early.waits_for_all = false;
  early.status = 413;
  early.parts = {"too much"};
  world.upstreams.set("v1-a", early);
  const auto answer = world.ask({.method = "POST", .parts = {"a"}, .ends = false});
  CHECK(answer.status == 413);
  CHECK(answer.body == "too much");
  CHECK(answer.whole);
  CHECK(answer.took == 0ms);
}

TEST_CASE("what a client sent goes up while it waits for the answer, to every attempt") {
  World world(lab_yaml("retries: {attempts: 2, retryOn: 5xx}, " + to("v1")), {"v1-a"});
  Behaviour fails;
  fails.connect_after = 5ms;
  fails.waits_for_all = false;
  fails.head_after = 50ms;
  fails.status = 503;
  Behaviour answers = fails;
  answers.status = 200;
  world.upstreams.pods["v1-a"] = [=](int count) { return count == 0 ? fails : answers; };
  const auto answer = world.ask({.method = "POST", .parts = {"a"}, .ends = false});
  CHECK(answer.status == 200);
  REQUIRE(world.upstreams.seen.size() == 2);
  CHECK(world.upstreams.seen[0].body == "a");
  CHECK(world.upstreams.seen[1].body == "a");
}

TEST_CASE("both directions stream at once") {
  World world("", {"ratings-a"});
  Behaviour stream;
  stream.waits_for_all = false;
  stream.parts = std::vector<std::string>(20, "down");
  stream.between_parts = 100ms;
  stream.trailers = {{"grpc-status", "0"}};
  world.upstreams.set("ratings-a", stream);
  const auto answer = world.ask({.fields = {{"content-type", "application/grpc"}},
                                 .method = "POST",
                                 .parts = std::vector<std::string>(10, "up"),
                                 .between_parts = 100ms,
                                 .service = "ratings"});
  CHECK(answer.body.size() == 80);
  CHECK(answer.trailers == stream.trailers);
  CHECK(world.upstreams.seen.at(0).body.size() == 20);
  CHECK(world.upstreams.seen.at(0).whole);
  CHECK(answer.took == 2100ms);
}

TEST_CASE("a request body that is malformed ends the attempt; the server tells its client") {
  World world(lab_yaml("retries: {attempts: 2, retryOn: 'reset,5xx'}, " + to("v1")), {"v1-a"});
  const auto answer = world.ask({.method = "POST",
                                 .parts = {"a", "b"},
                                 .between_parts = 5ms,
                                 .breaks = ErrorCode::kProtocol});
  CHECK(answer.status == 0);
  CHECK(answer.flags == "DPE");
  REQUIRE(world.upstreams.seen.size() == 1);
  CHECK(world.upstreams.seen[0].cancelled);
  CHECK_FALSE(world.upstreams.seen[0].whole);
}

TEST_CASE("a tunnel carries both directions to their ends, each by itself") {
  World world(lab_yaml("timeout: 1s, " + to("v1")), {"v1-a"});
  Behaviour echo;
  echo.upgrades = true;
  world.upstreams.set("v1-a", echo);
  const auto answer = world.ask({.fields = {{"sec-websocket-key", "x"}},
                                 .parts = std::vector<std::string>(5, "frame"),
                                 .between_parts = 1s,
                                 .upgrade = "websocket"});
  CHECK(answer.status == 101);
  CHECK(answer.body == "frameframeframeframeframe");
  CHECK(answer.whole);
  CHECK(world.upstreams.seen.at(0).body == answer.body);
  CHECK(world.upstreams.seen.at(0).whole);  // the client's end came through
  CHECK(world.upstreams.seen.at(0).head.upgrade == "websocket");
  CHECK(answer.took == 5s);  // the route's time was for the answer
  CHECK(answer.flags == "-");
}

TEST_CASE("a tunnel of which one side has ended is cut when nothing comes of the other any more") {
  const auto idle = ExchangeSettings{}.half_open_timeout;
  Behaviour hangs_up;
  hangs_up.upgrades = hangs_up.hangs_up = true;
  Behaviour stays;
  stays.upgrades = stays.stays = true;
  const FieldList key = {{"sec-websocket-key", "x"}};
  World world(lab_yaml(to("v1")), {"v1-a"});
  world.upstreams.set("v1-a", hangs_up);
  auto answer = world.ask({.fields = key, .parts = {"a"}, .ends = false, .upgrade = "websocket"});
  CHECK(answer.flags == "SI");
  CHECK(answer.took >= idle);
  CHECK(answer.took <= 2 * idle);
  CHECK(answer.reset.has_value());
  // As long as something comes it goes on.
  answer = world.ask({.fields = key,
                      .parts = std::vector<std::string>(6, "a"),
                      .between_parts = idle / 2,
                      .upgrade = "websocket"});
  CHECK(answer.flags == "-");
  CHECK(answer.took == 3 * idle);
  world.upstreams.set("v1-a", stays);
  answer = world.ask({.fields = key, .parts = {"a"}, .upgrade = "websocket"});
  CHECK(answer.flags == "SI");
  CHECK(answer.took >= idle);
  CHECK(answer.took <= 2 * idle);
  CHECK(answer.body == "a");
  // Both open, and silent: as long as they like.
  answer = world.ask(
      {.fields = key, .parts = {"a", "b"}, .between_parts = 3 * idle, .upgrade = "websocket"});
  CHECK(answer.body == "ab");
}

TEST_CASE("a refused upgrade is an answer like others") {
  World world(lab_yaml(to("v1")), {"v1-a"});
  Behaviour refuses;
  refuses.status = 403;
  refuses.waits_for_all = false;
  world.upstreams.set("v1-a", refuses);
  const auto answer = world.ask({.upgrade = "websocket"});
  CHECK(answer.status == 403);
  CHECK(answer.whole);
}

TEST_CASE("mirrors get each byte and the shadow's host, the client only its own answer") {
  const auto text = random_text(64 * kKiB);
  World world(lab_yaml("mirror: {host: reviews, subset: v2}, " + to("v1")));
  Behaviour says;
  says.parts = {"v1"};
  world.upstreams.set("v1-a", says);
  says.parts = {"v2"};
  world.upstreams.set("v2-a", says);
  std::vector<Ask> asks(
      100, Ask{.method = "POST", .parts = split(text, 10'000), .authority = "reviews:80"});
  for (const auto& answer : world.ask_all(asks)) CHECK(answer.body == "v1");
  CHECK(world.upstreams.count("v2-a") == 100);
  for (const auto& seen : world.upstreams.seen) {
    CHECK(seen.body == text);
    CHECK(seen.whole);
    CHECK_FALSE(seen.cancelled);
    CHECK(seen.head.authority == (seen.pod == "v2-a" ? "reviews-shadow:80" : "reviews:80"));
  }
}

TEST_CASE("a mirror that fails, stalls or is dead changes nothing for the client") {
  const auto text = random_text(200 * kKiB);
  Behaviour fails;
  fails.status = 500;
  Behaviour stalls;
  stalls.takes = false;
  Behaviour silent;
  silent.answers = false;
  Behaviour dead;
  dead.connect = ErrorCode::kRefused;
  Behaviour never_connects;
  never_connects.connect_after = 24h;
  for (const auto& does : {fails, stalls, silent, dead, never_connects}) {
    World world(lab_yaml("mirror: {host: reviews, subset: v2}, " + to("v1")));
    world.upstreams.set("v2-a", does);
    std::vector<Ask> asks(50, Ask{.method = "POST", .parts = split(text, 16 * kKiB)});
    for (const auto& answer : world.ask_all(asks)) {
      CHECK(answer.status == 200);
      CHECK(answer.took == 0ms);
      CHECK(answer.flags == "-");
    }
    CHECK(world.upstreams.count("v1-a") == 50);
    CHECK(world.context().counts.mirror_bytes == 0);  // all of them have ended
  }
}

TEST_CASE("a mirror that is behind by more than its bound is given up") {
  World world(lab_yaml("mirror: {host: reviews, subset: v2}, " + to("v1")));
  Behaviour stalls;
  stalls.takes = false;
  world.upstreams.set("v2-a", stalls);
  const auto text = random_text(3 * kMirrorBytes);
  const auto answer = world.ask({.method = "POST", .parts = split(text, 64 * kKiB)});
  CHECK(answer.status == 200);
  CHECK(world.upstreams.seen.at(0).body.size() + world.upstreams.seen.at(1).body.size() ==
        text.size());
  CHECK(world.context().counts.mirrors_given_up == 1);
}

TEST_CASE("mirrors of a client that goes away: whole requests go on, others are cancelled") {
  World world(lab_yaml("mirror: {host: reviews, subset: v2}, " + to("v1")));
  Behaviour slow;
  slow.head_after = 5s;
  world.upstreams.set("v1-a", slow);
  world.upstreams.set("v2-a", slow);
  world.ask({.method = "POST", .parts = {"all"}, .gone_after = 1s});
  world.ask({.method = "POST", .parts = {"half"}, .ends = false, .gone_after = 1s});
  REQUIRE(world.upstreams.seen.size() == 4);
  int went_on = 0;
  for (const auto& seen : world.upstreams.seen) {
    if (seen.pod != "v2-a") {
      CHECK(seen.cancelled);
    } else if (seen.body == "all") {
      ++went_on;
      CHECK_FALSE(seen.cancelled);
    } else {
      CHECK_FALSE(seen.whole);
      CHECK(seen.cancelled);
    }
  }
  CHECK(went_on == 1);
}

TEST_CASE("a mirror's time begins when the request is whole, as the request's own does") {
  World world(lab_yaml("timeout: 2s, mirror: {host: reviews, subset: v2}, " + to("v1")));
  const Ask upload{.method = "POST", .parts = {"a", "b", "c"}, .between_parts = 1500ms};
  CHECK(world.ask(upload).status == 200);
  CHECK(world.upstreams.count("v2-a") == 1);
  for (const auto& seen : world.upstreams.seen) {
    CAPTURE(seen.pod);
    CHECK(seen.whole);
    CHECK(seen.body == "abc");
    CHECK_FALSE(seen.cancelled);
  }
  // From there on it is bounded, also where it takes nothing.
  for (const bool takes : {true, false}) {
    Behaviour silent;
    silent.answers = false;
    silent.takes = takes;
    world.upstreams.set("v2-a", silent);
    const auto before = simulated_now();
    const auto answer = world.ask(upload);
    CHECK(answer.status == 200);
    CHECK(simulated_now() - before <= answer.took + 2s + 20ms);
  }
}

TEST_CASE("a mirror is given up after the route's time, or its own") {
  for (const auto& [rule, time] :
       std::vector<std::pair<std::string, milliseconds>>{{"timeout: 2s, ", 2s}, {"", 30s}}) {
    World world(lab_yaml(rule + "mirror: {host: reviews, subset: v2}, " + to("v1")));
    Behaviour silent;
    silent.answers = false;
    world.upstreams.set("v2-a", silent);
    const auto before = simulated_now();
    world.ask({});
    const auto took = simulated_now() - before;
    CHECK(took >= time);
    CHECK(took <= time + 20ms);
  }
}

TEST_CASE("bytes that come while another attempt is decided on are not lost to it") {
  // The body grows beyond what is kept at about the moment of the answer that is tried again.
  const auto text = random_text(102 * kKiB);
  int retried = 0, given_up = 0;
  for (auto answer_after = 97ms; answer_after < 105ms; ++answer_after) {
    CAPTURE(answer_after.count());
    World world(lab_yaml("retries: {attempts: 1, retryOn: 5xx}, " + to("v1")), {"v1-a"});
    world.settings.retry_buffer_bytes = 100 * kKiB;
    Behaviour first;
    first.status = 503;
    first.waits_for_all = false;
    first.head_after = answer_after;
    fail_first(world, first);
    const auto answer =
        world.ask({.method = "POST", .parts = split(text, kKiB), .between_parts = 1ms});
    if (answer.status == 200) {
      ++retried;
      CHECK(world.upstreams.seen.back().body == text);
    } else {
      ++given_up;
      CHECK(answer.status == 503);
      CHECK(world.upstreams.seen.size() == 1);
    }
  }
  CHECK(retried > 0);
  CHECK(given_up > 0);
}
