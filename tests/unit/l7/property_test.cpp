// Random rules and requests: the compiled table chooses as a slow, plain
// reading of the messages does, and does what the rule says.
#include <algorithm>
#include <functional>

#include "drawn_rules.hpp"
#include "lab.hpp"
#include "plain_action.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

namespace {

const std::string kReviews = "reviews.shop.svc.cluster.local";

/// A mesh with objects drawn, in the compiler and plainly.
struct Drawn {
  explicit Drawn(DrawnRules& chance) : lab(chance.one_in(3) ? "" : subsets()) {
    lab.compiler.put(service("other", "reviews", {80}));
    plain.services = {{kReviews, {80, 9090}},
                      {"ratings.shop.svc.cluster.local", {80}},
                      {"reviews.other.svc.cluster.local", {80}}};
    if (lab.age > 0) plain.subsets[kReviews] = {"v1", "v2", "v3"};
    for (auto n = 1 + chance.below(4); n > 0; --n) {
      const auto one = chance.object();
      plain.objects[{one.ns, one.name}] = one;
      lab.compiler.put(VirtualServiceObject{one.ns, one.name, one.created, one.spec, one.refused});
    }
    lab.table = lab.compiler.compile();
  }
  Lab lab;
  PlainMesh plain;
};

}  // namespace

TEST_CASE("the compiled table chooses what a plain reading of the rules does") {
  std::map<Decision::Kind, int> met;
  int at_edges = 0;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    DrawnRules chance([&](std::uint32_t n) { return random.below(n); });
    Drawn drawn(chance);
    for (int i = 0; i < 60; ++i) {
      const auto ask = chance.ask();
      CAPTURE(ask.path);
      CAPTURE(ask.host);
      CAPTURE(ask.gateway);
      Explanation told;
      const auto decision = drawn.lab.choose(ask);
      const auto explained = drawn.lab.choose(ask, &told);
      REQUIRE(action_differs(drawn.plain, ask, decision) == "");
      REQUIRE(explained.route_name == decision.route_name);
      ++met[decision.kind];
      at_edges += ask.gateway != "mesh" && decision.rule != nullptr;
    }
  }
  // Every kind of outcome was met often.
  using enum Decision::Kind;
  CHECK(met[kForward] > 5000);
  for (const auto kind : {kRedirect, kDirectResponse, kNoHost, kNoRoute, kNoCluster, kRefused}) {
    CAPTURE(static_cast<int>(kind));
    CHECK(met[kind] > 100);
  }
  CHECK(at_edges > 500);
}
