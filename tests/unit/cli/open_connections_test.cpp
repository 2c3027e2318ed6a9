// Which of a ztunnel's open connections are like the one that is explained, and what they
// contradict.
#include "culvert/open_connections.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::cli;
using namespace std::chrono_literals;

namespace {

mesh::Workload pod(const char* name, const char* ip) {
  mesh::Workload w;
  w.uid = name;
  w.ns = "shop";
  w.name = name;
  w.service_account = name;
  w.trust_domain = "t";
  w.addresses.push_back(*IpAddress::parse(ip));
  return w;
}

// shop/web's connection to the service 10.9.0.1:80, which is shop/cart's port 8080.
struct World {
  mesh::Workload web = pod("web", "10.0.1.1"), cart = pod("cart", "10.0.2.1");
  mesh::SnapshotPtr snapshot;
  explain::Explanation e;

  explicit World(std::vector<mesh::Policy> policies = {}) {
    mesh::Delta delta;
    for (const auto& policy : policies) cart.policies.push_back(policy.key());
    delta.workloads = {web, cart};
    delta.policies = std::move(policies);
    snapshot = mesh::apply(mesh::Snapshot(), std::move(delta));
    e.destination = *SocketAddress::parse("10.9.0.1:80");
    e.captured = true;
    explain::Branch branch;
    branch.route.workload = snapshot->workload("cart");
    branch.route.target = *SocketAddress::parse("10.0.2.1:8080");
    branch.path = explain::Path::kTunnel;
    branch.outcome = explain::Outcome::kAnswered;
    e.branches.push_back(branch);
  }
  std::vector<OpenConnections> of(const std::vector<Json>& connections,
                                  const char* ztunnel = kServing) const {
    std::vector<OpenConnections> out;
    add_open(Json{{"connections", connections}}, "east", ztunnel, *snapshot, web, e, out);
    return out;
  }
};

Json outbound(const char* original, const char* target, const char* path = "tunnel",
              int age_ms = 60'000) {
  return {{"direction", "outbound"},
          {"path", path},
          {"age_ms", age_ms},
          {"original_address", original},
          {"hbone_address", target},
          {"source",
           {{"address", "10.0.1.1:4000"},
            {"pod", "web"},
            {"namespace", "shop"},
            {"identity", "spiffe://t/ns/shop/sa/web"}}},
          {"destination", {{"address", "10.0.2.1:15008"}, {"pod", "cart"}, {"namespace", "shop"}}}};
}

Json inbound(const char* target) {
  Json out = outbound("", target, "inbound-tunnel");
  out["direction"] = "inbound";
  out.erase("original_address");
  return out;
}

mesh::Policy only_from(const char* account, mesh::Policy::Action action) {
  mesh::Policy policy;
  policy.ns = "shop";
  policy.name = "accounts";
  policy.scope = mesh::Policy::Scope::kWorkload;
  policy.action = action;
  mesh::Match match;
  match.service_accounts.push_back({"shop", account});
  policy.rules.push_back({{{{match}}}});
  return policy;
}

constexpr auto kLongAgo = std::optional(std::chrono::milliseconds(3'600'000));

}  // namespace

TEST_CASE("connections of the flow are counted by their way, others are not") {
  const World world;
  const auto open = world.of({outbound("10.9.0.1:80", "10.0.2.1:8080"),
                              outbound("10.9.0.1:80", "10.0.2.1:8080", "tunnel", 5),
                              outbound("10.9.0.1:81", "10.0.2.1:8080"), inbound("10.0.2.1:8080"),
                              inbound("10.0.2.1:9090"), Json::array(), Json("x")});
  REQUIRE(open.size() == 2);
  CHECK(open[0].count == 2);
  CHECK(open[0].youngest == 5ms);
  CHECK(open[0].oldest == 60s);
  CHECK(open[0].endpoint == "shop/cart");
  CHECK_FALSE(open[0].verdict);
  CHECK(open[1].direction == "inbound");
  REQUIRE(open[1].verdict);
  CHECK(open[1].verdict->allowed);
  CHECK(open_words(open[0]) == "2 outbound on east to shop/cart by tunnel, for 5 ms to 60 s");
  CHECK(contradictions(world.e, open, kLongAgo).empty());
}

TEST_CASE("another pod's connection, also without a name, is not this one's") {
  const World world;
  Json other = outbound("10.9.0.1:80", "10.0.2.1:8080");
  other["source"]["pod"] = "other";
  CHECK(world.of({other}).empty());
  other["source"] = {{"address", "10.0.1.7:4000"}};
  CHECK(world.of({other}).empty());
  other["source"] = {{"address", "10.0.1.1:4000"}};
  CHECK(world.of({other}).size() == 1);
}

TEST_CASE("an open connection names the policy that allows it; one that is refused contradicts") {
  const World allowed({only_from("web", mesh::Policy::Action::kAllow)});
  auto open = allowed.of({inbound("10.0.2.1:8080")}, "draining 7");
  REQUIRE(open.size() == 1);
  CHECK(open_words(open[0]) ==
        "1 inbound on east (draining 7) to shop/cart by tunnel, for 60 s: allowed by policy "
        "shop/accounts");
  CHECK(contradictions(allowed.e, open, kLongAgo).empty());
  const World denied({only_from("web", mesh::Policy::Action::kDeny)});
  open = denied.of({inbound("10.0.2.1:8080")});
  const auto lines = contradictions(denied.e, open, 0ms);  // however new the policy
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] ==
        "an open connection to shop/cart is refused by the policies of now (denied by policy "
        "shop/accounts), and was not cut");
}

TEST_CASE("a way, an end or a capture that was not predicted contradicts") {
  World world;
  const auto one = [&](const Json& connection) {
    const auto lines = contradictions(world.e, world.of({connection}), kLongAgo);
    return lines.empty() ? std::string() : lines[0];
  };
  CHECK(one(outbound("10.9.0.1:80", "10.0.2.1:8080", "joined")) ==
        "an open connection to shop/cart went by joined, not by tunnel");
  Json elsewhere = outbound("10.9.0.1:80", "10.0.3.1:8080");
  elsewhere["destination"] = {{"address", "10.0.3.1:15008"}};
  CHECK(one(elsewhere) ==
        "there is an open connection to 10.0.3.1:8080, which is not where this leads");
  world.e.branches[0].outcome = explain::Outcome::kReset;
  CHECK(one(outbound("10.9.0.1:80", "10.0.2.1:8080")) ==
        "there is an open connection to shop/cart, which was to be reset");
  world.e.captured = false;
  CHECK(one(outbound("10.9.0.1:80", "10.0.2.1:8080")) ==
        "ztunnel carries an open connection to shop/cart, which was to be left alone");
}

TEST_CASE(
    "a connection from before the configuration, or from just after it, contradicts nothing") {
  World world;
  world.e.branches[0].path = explain::Path::kJoined;
  const auto open = world.of({outbound("10.9.0.1:80", "10.0.2.1:8080")});
  CHECK(contradictions(world.e, open, 61s).empty());
  CHECK(contradictions(world.e, open, std::nullopt).empty());
  CHECK(contradictions(world.e, open, 63s).size() == 1);
}
