// Which waypoint stands in front of a port, whom it lets through, and what policy is asked then.
#include "culvert/mesh/waypoint.hpp"

#include <doctest/doctest.h>

#include <random>

#include "culvert/mesh/policy_change.hpp"
#include "sample_mesh.hpp"

using namespace culvert;
using namespace culvert::mesh;
using namespace culvert::mesh::sample;
using Reason = Verdict::Reason;

namespace {

constexpr const char* kWaypointKey = "shop/waypoint.shop.svc.cluster.local";

GatewayAddress by_name(const char* key = kWaypointKey) {
  return {std::string(key), 15008};
}

Service waypoint_service(const std::string& name = "waypoint") {
  Service s;
  s.name = name;
  s.ns = "shop";
  s.hostname = name + ".shop.svc.cluster.local";
  s.vips = {{"", ip("10.96.0.15")}};
  s.ports = {{15008, 15008}};
  return s;
}

Workload waypoint_pod(const std::string& name = "waypoint-1",
                      std::string_view address = "10.0.0.15", const char* key = kWaypointKey) {
  auto w = pod(name, address);
  w.service_account = "waypoint";
  w.services[key] = {};
  return w;
}

Service guarded_service() {
  auto s = web_service();
  s.waypoint = by_name();
  return s;
}

constexpr const char* kWaypoint = "spiffe://cluster.local/ns/shop/sa/waypoint";
constexpr const char* kClient = "spiffe://cluster.local/ns/shop/sa/client";

Arriving from(const char* spiffe, const char* destination = "10.0.0.1:8080",
              const char* claimed = nullptr) {
  Arriving out{.peer = {}, .peer_ip = ip("10.0.0.15"), .destination = at(destination), .claim = {}};
  if (spiffe != nullptr) out.peer = Identity::parse(spiffe);
  if (claimed != nullptr) out.claim = {*Identity::parse(claimed), ip("10.0.0.9")};
  return out;
}

Admission ask(const SnapshotPtr& mesh, const Arriving& arriving,
              WaypointBypass bypass = WaypointBypass::kRefuse) {
  return admit(*mesh, *mesh->workload("Kubernetes//Pod/shop/web"), arriving, bypass);
}

SnapshotPtr guarded(std::vector<Policy> policies = {}) {
  return mesh_of({web_pod("web", "10.0.0.1"), waypoint_pod()},
                 {guarded_service(), waypoint_service()}, std::move(policies));
}

Policy policy(Policy::Action action, Match match) {
  Policy p;
  p.ns = "shop";
  p.name = "p";
  p.scope = Policy::Scope::kNamespace;
  p.action = action;
  p.rules = {Rule{{Clause{{std::move(match)}}}}};
  return p;
}

StringMatch exact(std::string value) {
  return {StringMatch::Kind::kExact, std::move(value)};
}

/// Changes to a small mesh with two waypoints, drawn from a fixed seed.
class RandomMesh {
 public:
  Delta delta() {
    Delta delta;
    const auto number = std::to_string(below(2));
    switch (below(6)) {
      case 0: {
        auto s = web_service();
        s.waypoint = random_gateway();
        s.ports = {{80, static_cast<std::uint16_t>(8080 + below(2))}};
        delta.services = {s};
        break;
      }
      case 1:
        delta.removed_addresses = {below(2) == 0 ? kWebKey : keys[below(2)]};
        break;
      case 2: {
        auto w = waypoint_pod("waypoint-" + number, "10.0.0.15", keys[below(2)]);
        if (below(2) == 0) w.service_account = "sa-other";
        delta.workloads = {w};
        break;
      }
      case 3:
        delta.removed_addresses = {"Kubernetes//Pod/shop/waypoint-" + number};
        break;
      case 4:
        delta.services = {waypoint_service(below(2) == 0 ? "waypoint" : "other")};
        break;
      default: {
        auto w = pod("web-" + number, "10.0.0." + std::to_string(1 + below(3)));
        if (below(3) != 0) w.services[kWebKey] = {};
        if (below(3) == 0) w.services[kWebKey] = {{80, 8081}};
        if (below(4) == 0) w.waypoint = random_gateway();
        delta.workloads = {w};
      }
    }
    return delta;
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::optional<GatewayAddress> random_gateway() {
    const auto which = below(5);
    if (which >= 4) return GatewayAddress{NetworkAddress{"", ip("10.0.0.15")}, 15008};
    return which >= 2 ? std::nullopt : std::optional(by_name(keys[which]));
  }

  std::minstd_rand random_{7};
  const std::array<const char*, 2> keys{kWaypointKey, "shop/other.shop.svc.cluster.local"};
};

}  // namespace

TEST_CASE("where no waypoint is in force nothing changes, and no claim is believed") {
  const auto mesh =
      mesh_of({web_pod("web", "10.0.0.1"), waypoint_pod()}, {web_service(), waypoint_service()});
  for (const char* peer : {kClient, kWaypoint, static_cast<const char*>(nullptr)}) {
    const auto admission = ask(mesh, from(peer, "10.0.0.1:8080", "spiffe://a/ns/b/sa/c"));
    CHECK(admission.verdict.allowed);
    CHECK_FALSE(admission.by_waypoint);
    CHECK_FALSE(admission.asked.via);
    CHECK(admission.asked.source == from(peer).peer);
    CHECK(admission.asked.source_ip == ip("10.0.0.15"));
  }
}

TEST_CASE("the target ports of a service with a waypoint admit its workloads only") {
  const auto mesh = guarded();
  CHECK(ask(mesh, from(kWaypoint)).verdict.allowed);
  CHECK(ask(mesh, from(kWaypoint)).by_waypoint);
  for (const char* other :
       {kClient, static_cast<const char*>(nullptr), "spiffe://other.domain/ns/shop/sa/waypoint",
        "spiffe://cluster.local/ns/other/sa/waypoint"}) {
    const auto refused = ask(mesh, from(other));
    CHECK_FALSE(refused.verdict.allowed);
    CHECK(refused.verdict.reason == Reason::kWaypointOnly);
    CHECK(refused.verdict.about == kWaypointKey);
    CHECK(ask(mesh, from(other, "10.0.0.1:9090")).verdict.allowed);  // a scrape, as before
  }
}

TEST_CASE("the workload's own port mapping says where a service leads") {
  auto web = web_pod("web", "10.0.0.1");
  web.services[kWebKey] = {{80, 9999}};
  const auto mesh = mesh_of({web, waypoint_pod()}, {guarded_service(), waypoint_service()});
  CHECK_FALSE(ask(mesh, from(kClient, "10.0.0.1:9999")).verdict.allowed);
  CHECK(ask(mesh, from(kClient, "10.0.0.1:8080")).verdict.allowed);
  web.services[kWebKey] = {};
  const auto inherited = mesh_of({web, waypoint_pod()}, {guarded_service(), waypoint_service()});
  CHECK_FALSE(ask(inherited, from(kClient, "10.0.0.1:8080")).verdict.allowed);
}

TEST_CASE("a workload's own waypoint stands in front of all its ports, beside a service's") {
  auto web = web_pod("web", "10.0.0.1");
  web.waypoint = GatewayAddress{NetworkAddress{"", ip("10.0.0.16")}, 15008};
  auto own = pod("own", "10.0.0.16");
  const auto mesh = mesh_of({web, own, waypoint_pod()}, {guarded_service(), waypoint_service()});
  const auto* kOwn = "spiffe://cluster.local/ns/shop/sa/sa-own";
  CHECK(ask(mesh, from(kOwn, "10.0.0.1:9090")).verdict.allowed);
  CHECK_FALSE(ask(mesh, from(kWaypoint, "10.0.0.1:9090")).verdict.allowed);
  CHECK(ask(mesh, from(kOwn)).verdict.allowed);
  CHECK(ask(mesh, from(kWaypoint)).verdict.allowed);
  CHECK_FALSE(ask(mesh, from(kClient)).verdict.allowed);
}

TEST_CASE("a waypoint that is gone or unknown is not bypassed, unless that is asked for") {
  const auto web = web_pod("web", "10.0.0.1");
  for (const auto& mesh : {mesh_of({web}, {guarded_service(), waypoint_service()}),
                           mesh_of({web, waypoint_pod()}, {guarded_service()})}) {
    CHECK_FALSE(ask(mesh, from(kClient)).verdict.allowed);
    CHECK_FALSE(ask(mesh, from(kWaypoint)).verdict.allowed);
    CHECK(ask(mesh, from(kClient), WaypointBypass::kAllow).verdict.allowed);
  }
}

TEST_CASE("a replica that is not ready any more may finish its work") {
  auto draining = waypoint_pod();
  draining.healthy = false;
  const auto mesh =
      mesh_of({web_pod("web", "10.0.0.1"), draining}, {guarded_service(), waypoint_service()});
  CHECK(ask(mesh, from(kWaypoint)).verdict.allowed);
}

TEST_CASE("with bypass allowed only the waypoint is believed, still") {
  const auto mesh = guarded();
  const auto client =
      ask(mesh, from(kClient, "10.0.0.1:8080", "spiffe://a/ns/b/sa/c"), WaypointBypass::kAllow);
  CHECK(client.verdict.allowed);
  CHECK(client.asked.source == Identity::parse(kClient));
  const auto waypoint =
      ask(mesh, from(kWaypoint, "10.0.0.1:8080", kClient), WaypointBypass::kAllow);
  CHECK(waypoint.asked.source == Identity::parse(kClient));
}

TEST_CASE("a waypoint without a claim is itself the source") {
  const auto admission = ask(guarded(), from(kWaypoint));
  CHECK(admission.asked.source == Identity::parse(kWaypoint));
  CHECK_FALSE(admission.asked.via);
}

TEST_CASE("DENY and ALLOW match either identity") {
  Match client, waypoint, stranger;
  client.principals = {exact("cluster.local/ns/shop/sa/client")};
  waypoint.principals = {exact("cluster.local/ns/shop/sa/waypoint")};
  stranger.principals = {exact("cluster.local/ns/shop/sa/stranger")};
  const auto claimed = from(kWaypoint, "10.0.0.1:8080", kClient);
  const auto allowed = [&](Policy::Action action, const Match& match) {
    return ask(guarded({policy(action, match)}), claimed).verdict.allowed;
  };
  CHECK_FALSE(allowed(Policy::Action::kDeny, client));
  CHECK_FALSE(allowed(Policy::Action::kDeny, waypoint));
  CHECK(allowed(Policy::Action::kDeny, stranger));
  CHECK(allowed(Policy::Action::kAllow, client));
  CHECK(allowed(Policy::Action::kAllow, waypoint));
  CHECK_FALSE(allowed(Policy::Action::kAllow, stranger));
}

TEST_CASE("what is excluded must be neither identity, in every field about the client") {
  const auto claimed = from(kWaypoint, "10.0.0.1:8080", "spiffe://cluster.local/ns/bank/sa/client");
  const auto holds = [&](auto fill) {
    Match m;
    fill(m);
    return ask(guarded({policy(Policy::Action::kAllow, m)}), claimed).verdict.allowed;
  };
  CHECK_FALSE(holds([](Match& m) { m.not_namespaces = {exact("bank")}; }));
  CHECK_FALSE(holds([](Match& m) { m.not_namespaces = {exact("shop")}; }));
  CHECK(holds([](Match& m) { m.not_namespaces = {exact("other")}; }));
  CHECK_FALSE(
      holds([](Match& m) { m.not_principals = {exact("cluster.local/ns/bank/sa/client")}; }));
  CHECK_FALSE(holds([](Match& m) { m.not_service_accounts = {{"shop", "waypoint"}}; }));
  CHECK_FALSE(holds([](Match& m) { m.not_source_ips = {*IpPrefix::parse("10.0.0.9/32")}; }));
  CHECK_FALSE(holds([](Match& m) { m.not_source_ips = {*IpPrefix::parse("10.0.0.15/32")}; }));
  CHECK(holds([](Match& m) { m.not_source_ips = {*IpPrefix::parse("10.0.0.1/32")}; }));
  CHECK(holds([](Match& m) { m.source_ips = {*IpPrefix::parse("10.0.0.9/32")}; }));
  CHECK(holds([](Match& m) { m.source_ips = {*IpPrefix::parse("10.0.0.15/32")}; }));
}

TEST_CASE("a rule's demands must all be true of the same identity") {
  const auto claimed = from(kWaypoint, "10.0.0.1:8080", "spiffe://cluster.local/ns/bank/sa/client");
  Match mixed;
  mixed.principals = {exact("cluster.local/ns/bank/sa/client")};
  mixed.namespaces = {exact("shop")};
  CHECK_FALSE(ask(guarded({policy(Policy::Action::kAllow, mixed)}), claimed).verdict.allowed);
  mixed.namespaces = {exact("bank")};
  CHECK(ask(guarded({policy(Policy::Action::kAllow, mixed)}), claimed).verdict.allowed);
  // The same in two clauses of one rule: from.source and when.
  auto split = policy(Policy::Action::kAllow, {});
  Match who, where;
  who.principals = mixed.principals;
  where.namespaces = {exact("shop")};
  split.rules = {Rule{{Clause{{who}}, Clause{{where}}}}};
  CHECK_FALSE(ask(guarded({split}), claimed).verdict.allowed);
}

TEST_CASE("no admission differs between two snapshots without the change saying so") {
  RandomMesh random;
  auto now = mesh_of({});
  unsigned differences = 0, spared = 0;
  for (int round = 0; round < 4000; ++round) {
    const auto next = apply(*now, random.delta());
    const auto change = policy_change(*now, *next);
    for (const auto& was : now->workloads()) {
      const auto is = next->workload(was->uid);
      if (is == nullptr) continue;
      for (const char* who : {kWaypoint, "spiffe://cluster.local/ns/shop/sa/sa-other", kClient}) {
        for (const char* port : {"10.0.0.1:8080", "10.0.0.1:8081"}) {
          const auto asked = from(who, port, "spiffe://cluster.local/ns/bank/sa/b");
          const auto a = admit(*now, *was, asked, WaypointBypass::kRefuse);
          const auto b = admit(*next, *is, asked, WaypointBypass::kRefuse);
          const bool differs =
              a.verdict.allowed != b.verdict.allowed || a.by_waypoint != b.by_waypoint;
          differences += differs ? 1 : 0;
          spared += change.concerns(*was) ? 0 : 1;
          if (differs) CHECK(change.concerns(*was));
        }
      }
    }
    now = next;
  }
  CHECK(differences > 500);
  CHECK(spared > 5000);
}

TEST_CASE("a service of another namespace puts no waypoint of its own in force") {
  auto theirs = web_service();
  theirs.ns = "evil";
  theirs.hostname = "x.evil";
  theirs.vips = {{"", ip("10.96.9.9")}};
  theirs.waypoint = by_name("evil/wp.evil.svc.cluster.local");
  auto wp = waypoint_service("wp");
  wp.ns = "evil";
  wp.hostname = "wp.evil.svc.cluster.local";
  auto wp_pod = waypoint_pod("wp-1", "10.0.0.66", "evil/wp.evil.svc.cluster.local");
  wp_pod.ns = "evil";
  wp_pod.uid = "Kubernetes//Pod/evil/wp-1";
  auto web = web_pod("web", "10.0.0.1");
  web.services["evil/x.evil"] = {{80, 8080}};
  constexpr const char* kTheirs = "spiffe://cluster.local/ns/evil/sa/waypoint";
  // Behind a waypoint of its own it admits that one alone, and believes no other.
  const auto mesh = mesh_of({web, waypoint_pod(), wp_pod},
                            {guarded_service(), waypoint_service(), theirs, wp}, {});
  CHECK_FALSE(ask(mesh, from(kTheirs, "10.0.0.1:8080", kClient)).verdict.allowed);
  CHECK_FALSE(ask(mesh, from(kTheirs, "10.0.0.1:8080", kClient)).by_waypoint);
  CHECK(ask(mesh, from(kWaypoint)).verdict.allowed);
  // Without one, nobody is kept out.
  const auto open = mesh_of({web, wp_pod}, {web_service(), theirs, wp}, {});
  CHECK(ask(open, from(kClient)).verdict.allowed);
  CHECK_FALSE(ask(open, from(kTheirs, "10.0.0.1:8080", kClient)).by_waypoint);
}

TEST_CASE("while a service that leads to a port is not known, the port admits nobody") {
  auto web = web_pod("web", "10.0.0.1");
  const auto early = mesh_of({web, waypoint_pod()}, {waypoint_service()});
  const auto refused = ask(early, from(kClient));
  CHECK_FALSE(refused.verdict.allowed);
  CHECK(refused.verdict.reason == Reason::kUnknownService);
  CHECK(in_words(refused.verdict) == std::string("named service not yet known: ") + kWebKey);
  CHECK(ask(early, from(kClient, "10.0.0.1:9090")).verdict.allowed);  // where it does not lead
  CHECK(ask(early, from(kClient), WaypointBypass::kAllow).verdict.allowed);
  // Without a mapping of its own nobody knows where it leads.
  web.services[kWebKey] = {};
  CHECK_FALSE(ask(mesh_of({web}), from(kClient, "10.0.0.1:9090")).verdict.allowed);
  // Known, it decides; another namespace's never does.
  CHECK(ask(mesh_of({web_pod("web", "10.0.0.1")}, {web_service()}), from(kClient)).verdict.allowed);
  web.services = {{"evil/web.shop.svc.cluster.local", {{80, 8080}}}};
  CHECK(ask(mesh_of({web}), from(kClient)).verdict.allowed);
}
