// Clusters: balancing, breakers, ejections, and what changes while requests run.
#include <map>

#include "waypoint/upstream/cluster_state.hpp"
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

World with_policy(const std::string& policy, const std::vector<std::string>& pods,
                  const std::string& rule = "") {
  return World(subsets(policy) + object("VirtualService", "reviews",
                                        "{hosts: [reviews], http: [{" + rule +
                                            "route: [{destination: {host: reviews}}]}]}"),
               pods);
}

std::map<std::string, int> shares(World& world, int requests) {
  for (int i = 0; i < requests; ++i) world.ask({});
  std::map<std::string, int> counts;
  for (const auto& seen : world.upstreams.seen) ++counts[seen.pod];
  return counts;
}

Behaviour failing(std::uint16_t status) {
  Behaviour does;
  does.status = status;
  return does;
}

Behaviour slow(milliseconds time) {
  Behaviour does;
  does.head_after = time;
  return does;
}

const std::string kSeven =
    "{outlierDetection: {consecutive5xxErrors: 7, interval: 1s, baseEjectionTime: 15m, "
    "maxEjectionPercent: 50}, loadBalancer: {simple: ROUND_ROBIN}}";

}  // namespace

TEST_CASE("six requests over three pods by ROUND_ROBIN hit each twice") {
  auto world = with_policy("{loadBalancer: {simple: ROUND_ROBIN}}", {"v2-a", "v2-b", "v2-c"});
  for (const auto& [pod, count] : shares(world, 6)) CHECK(count == 2);
}

TEST_CASE("RANDOM and PASSTHROUGH by a VIP spread over all, LEAST_REQUEST avoids the busy one") {
  for (const auto* kind : {"RANDOM", "PASSTHROUGH"}) {
    auto world = with_policy(std::string("{loadBalancer: {simple: ") + kind + "}}",
                             {"v2-a", "v2-b", "v2-c"});
    for (const auto& [pod, count] : shares(world, 300)) {
      CHECK(count > 60);
      CHECK(count < 140);
    }
  }
  auto world = with_policy("", {"v2-a", "v2-b"});
  world.upstreams.set("v2-a", slow(1h));
  std::vector<Ask> asks;
  for (int i = 0; i < 50; ++i) asks.push_back({.after = milliseconds(i), .gone_after = 1s});
  world.ask_all(asks);
  CHECK(world.upstreams.count("v2-a") == 1);  // one hangs there, and nobody joins it
}

TEST_CASE("a subset is the pods with its labels, and only those that are ready") {
  World world(lab_yaml(to("v2")), {"v1-a", "v2-a", "v2-b", "v3-a"});
  world.set_healthy("v2-b", false);
  for (int i = 0; i < 10; ++i) world.ask({});
  CHECK(world.upstreams.count("v2-a") == 10);
  world.set_healthy("v2-a", false);
  CHECK(world.ask({}).flags == "UH");
  world.set_healthy("v2-b", true);
  CHECK(world.ask({}).status == 200);
  CHECK(world.upstreams.count("v2-b") == 1);
}

TEST_CASE("a request goes to the pod's address of the family that was addressed") {
  World world("", {"ratings-a"});
  world.ask({.service = "ratings"});
  world.ask({.service = "ratings", .ipv6 = true});
  CHECK(world.upstreams.seen.at(0).address.ip.is_v4());
  CHECK_FALSE(world.upstreams.seen.at(1).address.ip.is_v4());
}

TEST_CASE("the request beyond http2MaxRequests is told at once: 503 UO") {
  auto world = with_policy("{connectionPool: {http: {http2MaxRequests: 100}}}", {"v1-a", "v1-b"});
  world.upstreams.set("v1-a", slow(1s));
  world.upstreams.set("v1-b", slow(1s));
  const auto answers = world.ask_all(std::vector<Ask>(101));
  int over = 0;
  for (const auto& answer : answers) {
    if (answer.status == 200) continue;
    ++over;
    CHECK(answer.status == 503);
    CHECK(answer.flags == "UO");
    CHECK(answer.took == 0ms);
    CHECK(answer.header("x-envoy-overloaded") == "true");
    CHECK(answer.body ==
          "upstream connect error or disconnect/reset before headers. reset reason: overflow");
    CHECK(answer.details == "upstream_reset_before_response_started{overflow}");
  }
  CHECK(over == 1);
  CHECK(world.ask({}).status == 200);  // there is room again
}

TEST_CASE("maxRetries bounds the retries at once: what is over gets the answer it had, UO") {
  auto world = with_policy("{connectionPool: {http: {maxRetries: 2}}}", {"v1-a"},
                           "retries: {attempts: 1, retryOn: 5xx}, ");
  world.upstreams.pods["v1-a"] = [](int count) { return count < 10 ? failing(500) : slow(1s); };
  const auto answers = world.ask_all(std::vector<Ask>(10));
  int retried = 0;
  for (const auto& answer : answers) {
    retried += answer.status == 200;
    if (answer.status != 200) CHECK(answer.flags == "UO");
  }
  CHECK(retried == 2);
}

TEST_CASE("a retry budget is a share of the requests under way, not below its minimum") {
  // 40 are under way; who waits before a retry is not, so the sixth retry is a fifth of the others.
  for (const auto& [percent, least, expected] :
       std::vector<std::tuple<int, int, int>>{{20, 1, 6}, {1, 5, 5}}) {
    auto world = with_policy("{retryBudget: {percent: " + std::to_string(percent) +
                                 ", minRetryConcurrency: " + std::to_string(least) + "}}",
                             {"v1-a"}, "retries: {attempts: 1, retryOn: 5xx}, ");
    world.upstreams.pods["v1-a"] = [](int count) {
      if (count < 30) return slow(10s);  // 30 others are under way
      auto does = count < 40 ? failing(500) : slow(1s);
      does.head_after = count < 40 ? 10ms : 1000ms;
      return does;
    };
    std::vector<Ask> asks(30);
    asks.resize(40, Ask{.after = 1ms});
    int retried = 0;
    for (const auto& answer : world.ask_all(asks)) retried += answer.record.attempts == 2;
    CHECK(retried == expected);
  }
}

TEST_CASE("seven errors in a row eject a pod for 15 minutes, the second time for 30") {
  auto world = with_policy(kSeven, {"v1-a", "v1-b"});
  world.upstreams.set("v1-a", failing(500));
  const auto count = [&] { return world.upstreams.count("v1-a"); };
  for (const auto ejection : {15min, 30min, 45min}) {
    const auto before = count();
    for (int i = 0; i < 40; ++i) world.ask({});
    CHECK(count() - before == 7);
    world.sleep(ejection - 1min);
    for (int i = 0; i < 10; ++i) CHECK(world.ask({}).status == 200);
    CHECK(count() - before == 7);
    world.sleep(1min + 2s);
  }
  world.upstreams.set("v1-a", failing(200));
  const auto before = count();
  for (int i = 0; i < 20; ++i) world.ask({});
  CHECK(count() - before == 10);
}

TEST_CASE("never more pods are ejected than the maximum, and with all of them out it is UH") {
  auto world = with_policy(kSeven, {"v1-a", "v1-b", "v1-c", "v1-d"});
  for (const auto* pod : {"v1-a", "v1-b", "v1-c", "v1-d"}) world.upstreams.set(pod, failing(500));
  for (int i = 0; i < 200; ++i) CHECK(world.ask({}).status == 500);
  std::map<std::string, int> last;
  world.upstreams.seen.clear();
  for (int i = 0; i < 20; ++i) world.ask({});
  for (const auto& seen : world.upstreams.seen) ++last[seen.pod];
  CHECK(last.size() == 2);
  auto all = with_policy(
      "{outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 1m, maxEjectionPercent: "
      "100}}",
      {"v1-a"});
  all.upstreams.set("v1-a", failing(500));
  CHECK(all.ask({}).status == 500);
  const auto answer = all.ask({});
  CHECK(answer.status == 503);
  CHECK(answer.flags == "UH");
}

TEST_CASE("what counts as an error of a pod: connects, resets, timeouts, gRPC's statuses") {
  Behaviour connect;
  connect.connect = ErrorCode::kRefused;
  Behaviour reset;
  reset.reset = ErrorCode::kReset;
  Behaviour silent;
  silent.answers = false;
  Behaviour grpc;
  grpc.fields = {{"grpc-status", "14"}};
  Behaviour overflow;
  overflow.connect = ErrorCode::kLimit;
  Behaviour grpc_fine = grpc;
  grpc_fine.fields = {{"grpc-status", "5"}};  // 404
  const std::vector<std::pair<Behaviour, bool>> rows = {
      {connect, true},   {reset, true},         {silent, true},     {grpc, true},
      {overflow, false}, {failing(404), false}, {grpc_fine, false}, {failing(503), true}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    auto world = with_policy(
        "{outlierDetection: {consecutive5xxErrors: 2, baseEjectionTime: 1m, maxEjectionPercent: "
        "100}}",
        {"v1-a"}, "timeout: 1s, retries: {attempts: 0}, ");
    world.upstreams.set("v1-a", rows[i].first);
    const Ask ask{.fields = {{"content-type", "application/grpc"}}};
    for (int n = 0; n < 2; ++n) CHECK(world.ask(ask).flags != "UH");
    CHECK((world.ask(ask).flags == "UH") == rows[i].second);
  }
}

TEST_CASE("a caller's own deadline, and a stream that it cuts, say nothing of the pod") {
  Behaviour silent;
  silent.answers = false;
  Behaviour slow;
  slow.parts = std::vector<std::string>(10, "part");
  slow.between_parts = 300ms;
  for (const auto& behaviour : {silent, slow}) {
    auto world = with_policy(
        "{outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 1m, maxEjectionPercent: "
        "100}}",
        {"v1-a"}, "retries: {attempts: 0}, ");
    world.upstreams.set("v1-a", behaviour);
    const Ask ask{.fields = {{"content-type", "application/grpc"}, {"grpc-timeout", "700m"}}};
    for (int n = 0; n < 4; ++n) CHECK(world.ask(ask).flags != "UH");
    CHECK(world.upstreams.count("v1-a") == 4);
  }
}

TEST_CASE("new rules hold for the next request, also while others are under way") {
  World world(lab_yaml(to("v2")), {"v1-a", "v2-a"});
  world.ask({});
  world.rules(lab_yaml(to("v1")));
  world.ask({});
  CHECK(world.upstreams.seen.at(0).pod == "v2-a");
  CHECK(world.upstreams.seen.at(1).pod == "v1-a");
}

TEST_CASE("pods that leave are told to the pool, and ejections of those that stay are kept") {
  auto world = with_policy(kSeven, {"v1-a", "v1-b", "v1-c"});
  world.upstreams.set("v1-a", failing(500));
  for (int i = 0; i < 30; ++i) world.ask({});
  CHECK(world.upstreams.count("v1-a") == 7);
  world.pods({"v1-a", "v1-b", "v1-d"});
  for (int i = 0; i < 20; ++i) world.ask({});
  CHECK(world.upstreams.count("v1-a") == 7);
  CHECK(world.upstreams.count("v1-d") == 10);
  REQUIRE_FALSE(world.upstreams.retired.empty());
  CHECK(world.upstreams.retired.front() == "v1-c");
}

TEST_CASE("weights hold whatever the pods' counts") {
  World world(subsets() + object("VirtualService", "reviews",
                                 "{hosts: [reviews], http: [{route: [{destination: {host: reviews, "
                                 "subset: v1}, weight: 50}, {destination: {host: reviews, subset: "
                                 "v2}, weight: 25}, {destination: {host: reviews, subset: v3}, "
                                 "weight: 25}]}]}"),
              {"v1-a", "v1-b", "v1-c", "v1-d", "v1-e", "v2-a", "v3-a"});
  std::map<std::string, int> counts;
  std::vector<Ask> asks(10'000);
  world.ask_all(asks);
  for (const auto& seen : world.upstreams.seen) ++counts[seen.pod.substr(0, 2)];
  CHECK(std::abs(counts["v1"] - 5000) < 200);
  CHECK(std::abs(counts["v2"] - 2500) < 200);
  CHECK(std::abs(counts["v3"] - 2500) < 200);
}

TEST_CASE("retries over the window of a budget count what began in it") {
  RequestWindow window;
  const l7::Time interval = 8s;
  for (int i = 0; i < 10; ++i) window.count(1s * i, interval);
  CHECK(window.total(9s, interval) == 8);
  CHECK(window.total(12s, interval) == 5);
  CHECK(window.total(100s, interval) == 0);
}

TEST_CASE("a budget's window loses nothing where one worker's clock is behind another's") {
  RequestWindow window;
  const l7::Time interval = 8s;
  for (int i = 1; i <= 8; ++i) {
    window.count(1s * i, interval);
    window.count(1s * i - 1ms, interval);
  }
  CHECK(window.total(8s, interval) == 16);
  CHECK(window.total(7999ms, interval) == 16);
  // Another interval: what was counted by the one before is nowhere in it.
  window.count(8s, 80s);
  CHECK(window.total(8s, 80s) == 1);
}

TEST_CASE("an endpoint's weight is its share, whichever way endpoints are chosen") {
  for (const auto* kind : {"ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"}) {
    CAPTURE(kind);
    auto world = with_policy(std::string("{loadBalancer: {simple: ") + kind + "}}",
                             {"v2-a", "v2-b", "v2-c"});
    world.set_weight("v2-a", 8);
    world.set_weight("v2-b", 2);
    world.set_weight("v2-c", 0);
    auto counts = shares(world, 1000);
    CHECK(std::abs(counts["v2-a"] - 800) < 60);
    CHECK(counts["v2-a"] + counts["v2-b"] == 1000);
    // A change holds for the next request.
    world.set_weight("v2-a", 0);
    world.upstreams.seen.clear();
    CHECK(shares(world, 20)["v2-b"] == 20);
  }
}

TEST_CASE("where a DestinationRule was refused nothing is sent: 503 CR, and other hosts go on") {
  World world("", {"v1-a", "ratings-a"});
  world.refuse_destination_rule("reviews");
  const auto answer = world.ask({});
  CHECK(answer.status == 503);
  CHECK(answer.flags == "CR");
  CHECK(world.upstreams.seen.empty());
  CHECK(world.ask({.service = "ratings"}).status == 200);
  // The same by a rule that leads there.
  World ruled(lab_yaml(to("v1")), {"v1-a"});
  CHECK(ruled.ask({}).status == 200);
  ruled.refuse_destination_rule("reviews");
  CHECK(ruled.ask({}).flags == "CR");
  // For another host, it says nothing of this one.
  World other(lab_yaml(to("v1")), {"v1-a"});
  other.refuse_destination_rule("ratings");
  CHECK(other.ask({}).status == 200);
}

namespace {

const std::string kForEdge =
    object("VirtualService", "reviews",
           "{hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: reviews}}]}]}");

Ask at_edge() {
  Ask ask;
  ask.with_identity = false;
  ask.authority = "shop.example";
  ask.gateway = "shop/edge";
  return ask;
}

}  // namespace

TEST_CASE("an edge goes to the waypoint of a service, and the DestinationRule is the waypoint's") {
  World world(subsets("{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}") + kForEdge,
              {"v1-a", "wp-a"});
  CHECK(world.ask(at_edge()).status == 200);
  REQUIRE(world.upstreams.seen.size() == 1);
  CHECK(world.upstreams.seen.back().pod == "v1-a");
  CHECK(world.upstreams.seen.back().version == HttpVersion::kHttp2);

  world.set_waypoint("reviews");
  CHECK(world.ask(at_edge()).status == 200);
  REQUIRE(world.upstreams.seen.size() == 2);
  CHECK(world.upstreams.seen.back().pod == "wp-a");
  CHECK(world.upstreams.seen.back().version == HttpVersion::kHttp1);  // as the client spoke
  CHECK(world.upstreams.retired.front() == "v1-a");

  world.set_healthy("wp-a", false);
  const auto refused = world.ask(at_edge());
  CHECK(refused.status == 503);
  CHECK(refused.flags == "UH");
  world.set_waypoint("reviews", false);
  CHECK(world.ask(at_edge()).status == 200);
  CHECK(world.upstreams.seen.back().pod == "v1-a");
}

TEST_CASE("an edge chooses a pod with a waypoint of its own while a replica of that is ready") {
  World world(kForEdge, {"v1-a", "v1-b", "wp-a"});
  CHECK(world.ask(at_edge()).status == 200);
  world.set_waypoint("v1-a");
  for (int i = 0; i < 40; ++i) CHECK(world.ask(at_edge()).status == 200);
  CHECK(world.upstreams.count("v1-a") > 0);
  CHECK(world.upstreams.count("wp-a") == 0);  // who is dialed for it is the dialer's business
  // What was open went past the waypoint, to either of the pod's addresses.
  CHECK(world.upstreams.retired == std::vector<std::string>{"v1-a", "v1-a"});

  // The pods and their service are as before: only the waypoint is not.
  world.set_healthy("wp-a", false);
  world.upstreams.seen.clear();
  for (int i = 0; i < 20; ++i) CHECK(world.ask(at_edge()).status == 200);
  CHECK(world.upstreams.count("v1-b") == 20);
  world.set_waypoint("v1-b");
  CHECK(world.ask(at_edge()).flags == "UH");
  world.set_healthy("wp-a", true);
  CHECK(world.ask(at_edge()).status == 200);
}
