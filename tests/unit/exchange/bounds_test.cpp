// Bounds of what all exchanges of a worker hold together: bodies that are kept, and mirrors.
#include "world.hpp"

using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

constexpr std::size_t kPartBytes = 4U << 20;

// `bytes` in parts; what they say does not matter.
std::vector<std::string> parts(std::size_t bytes) {
  return std::vector<std::string>(bytes / kPartBytes, std::string(kPartBytes, 'x'));
}

}  // namespace

TEST_CASE("bodies of all requests together are kept up to a bound; those beyond it pass unkept") {
  World world(lab_yaml("retries: {attempts: 1, retryOn: 5xx, backoff: 1ms}, " + to("v1")),
              {"v1-a"});
  world.settings.retry_buffer_bytes = kMaxKeptBytes;
  Behaviour fails;
  fails.status = 503;
  fails.head_after = 1s;
  world.upstreams.set("v1-a", fails);
  const std::size_t most = kMaxKeptBytes - kPartBytes;
  const Ask large{.method = "POST", .parts = parts(most)};
  const Ask small{.method = "POST", .parts = parts(2 * kPartBytes), .after = 10ms};
  const auto answers = world.ask_all({large, small});
  CHECK(answers[0].record.attempts == 2);
  CHECK(answers[1].record.attempts == 1);  // there was no room to keep it
  CHECK(answers[1].record.received_bytes == 2 * kPartBytes);
  CHECK(world.context().counts.kept_bytes == 0);
}

TEST_CASE("mirrored requests at once, and what waits to be sent to them, are bounded") {
  Behaviour never_connects;
  never_connects.connect_after = 24h;
  constexpr std::size_t kHalf = kMirrorBytes / 2;
  constexpr int kTooMany = 3;
  for (const bool body : {false, true}) {
    CAPTURE(body);
    World world(lab_yaml("mirror: {host: reviews, subset: v2}, timeout: 20s, " + to("v1")));
    world.upstreams.set("v2-a", never_connects);
    Ask one;
    if (body) one = {.method = "POST", .parts = {std::string(kHalf, 'x')}};
    const std::size_t fit = body ? kMaxMirrorBytes / kHalf : kMaxMirrors;
    for (const auto& answer : world.ask_all(std::vector<Ask>(fit + kTooMany, one))) {
      CHECK(answer.status == 200);
    }
    CHECK(world.context().counts.mirrors_given_up == kTooMany);
    CHECK(world.context().counts.mirror_bytes == 0);
  }
}

TEST_CASE("a grpc-timeout beyond what clocks reach is none, and goes on as it came") {
  World world(lab_yaml(to("v1")));
  const auto answer =
      world.ask({.fields = {{"content-type", "application/grpc"}, {"grpc-timeout", "99999999H"}}});
  CHECK(answer.end == culvert::telemetry::ExchangeEnd::kAnswered);
  CHECK(world.upstreams.seen.at(0).header("grpc-timeout") == "99999999H");
}
