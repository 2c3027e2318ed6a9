// Services that have another waypoint than this one: where a rule leads to them, that is the way.
#include "waypoint/exchange/upstream_head.hpp"
#include "world.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::test;

namespace {

mesh::Workload pod(const std::string& name, std::uint8_t number, const std::string& service) {
  mesh::Workload made;
  made.uid = "Kubernetes//Pod/shop/" + name;
  made.name = name;
  made.ns = "shop";
  made.addresses = {IpAddress::v4(10, 0, 2, number)};
  made.services[service] = {{80, 8080}};
  return made;
}

mesh::Service service(const std::string& name, const std::string& waypoint) {
  auto made = *l7::test::service("shop", name, {80});
  if (!waypoint.empty()) made.waypoint = mesh::GatewayAddress{.destination = waypoint};
  return made;
}

std::string key_of(const std::string& name) {
  return "shop/" + name + ".shop.svc.cluster.local";
}

/// Waypoints "ours" and "theirs", each before a service and a pod of its own.
struct TwoWaypoints {
  TwoWaypoints() {
    mesh::Delta delta;
    delta.services = {service("ours", ""), service("theirs", ""), service("near", key_of("ours")),
                      service("far", key_of("theirs")), service("lost", key_of("gone"))};
    delta.workloads = {pod("ours-1", 1, key_of("ours")), pod("theirs-1", 2, key_of("theirs")),
                       pod("near-1", 3, key_of("near")), pod("far-1", 4, key_of("far")),
                       pod("lost-1", 5, key_of("lost"))};
    auto made = std::make_shared<View>();
    made->mesh = apply(mesh::Snapshot(), std::move(delta));
    view = made;
    self = view->mesh->workload_named("shop", "ours-1");
    clusters.take_view(view, l7::Time(0), self);
  }
  /// Where a request for the service goes: "POD" or "POD for SERVICE:PORT", "" for nowhere.
  std::string where(const std::string& name, const std::string& subset = "") {
    auto& cluster = made_[name + subset];
    cluster.host = name + ".shop.svc.cluster.local";
    cluster.subset = subset;
    cluster.policy.balancer = l7::Balancer::kRandom;
    cluster.port = 80;
    cluster.service_key = key_of(name);
    const auto state = clusters.find(cluster, *view);
    obeyed = state->policy() == cluster.policy;
    std::string out;
    for (const auto& host : state->hosts()) {
      out += host->workload->name;
      if (host->behind_waypoint) {
        out += " for " + host->behind_waypoint->name + ":" + std::to_string(host->port);
      }
    }
    return out;
  }

  ViewPtr view;
  mesh::WorkloadPtr self;
  Upstreams connections;
  UpstreamClusters clusters{connections};
  bool obeyed = false;  // the DestinationRule of the service that was asked for last

 private:
  std::map<std::string, l7::Cluster> made_;
};

}  // namespace

TEST_CASE("a waypoint goes to the pods of its own services, and to the waypoint of others") {
  TwoWaypoints world;
  REQUIRE(world.self);
  CHECK(world.where("near") == "near-1");
  CHECK(world.where("far") == "theirs-1 for far:80");
  CHECK(world.where("theirs") == "theirs-1");  // which has none itself
  CHECK(world.where("lost").empty());          // a waypoint that is not there is not passed by
}

TEST_CASE("a subset and its DestinationRule are for the waypoint of the service, and no other") {
  TwoWaypoints world;
  CHECK(world.where("near", "v1") == "near-1");
  CHECK(world.obeyed);
  CHECK(world.where("far", "v1").empty());
  CHECK(world.where("far") == "theirs-1 for far:80");
  CHECK_FALSE(world.obeyed);
}

TEST_CASE("rules that lead to and fro between waypoints end at a bound") {
  const auto with_passed = [](const std::string& text) {
    Ask ask{.with_identity = true};
    ask.fields = {{std::string(kWaypointsPassed), text}};
    return ask;
  };
  World world("", {"v1-a", "wp-a"});
  world.set_waypoint("reviews");
  // What a waypoint is told goes up by one each time, so that there is no way round for ever.
  for (std::uint32_t before = 0; before + 1 < kMaxWaypointsPassed; ++before) {
    const auto answer = world.ask(before == 0 ? Ask{} : with_passed(std::to_string(before)));
    CHECK(answer.status == 200);
    CHECK(world.upstreams.seen.back().pod == "wp-a");
    CHECK(world.upstreams.seen.back().header(kWaypointsPassed) == std::to_string(before + 1));
  }
  const auto sent = world.upstreams.seen.size();
  for (const auto& text : {std::to_string(kMaxWaypointsPassed - 1), std::string("4294967295"),
                           std::string("99999999999"), std::string("many")}) {
    CAPTURE(text);
    const auto answer = world.ask(with_passed(text));
    CHECK(answer.status == 508);
    CHECK(answer.flags == "NR");
    CHECK(answer.details == "too_many_waypoints");
    CHECK(answer.record.attempts == 0);
  }
  CHECK(world.upstreams.seen.size() == sent);
  // What a stranger says is not believed, and pods are told nothing of it.
  auto stranger = with_passed("3");
  stranger.with_identity = false;
  CHECK(world.ask(stranger).status == 200);
  CHECK(world.upstreams.seen.back().header(kWaypointsPassed) == "1");
  world.set_waypoint("reviews", false);
  CHECK(world.ask(with_passed("3")).status == 200);
  CHECK(world.upstreams.seen.back().pod == "v1-a");
  CHECK(world.upstreams.seen.back().header(kWaypointsPassed).empty());
}

TEST_CASE("mirrors that lead to and fro between waypoints end at the same bound") {
  World world(object("VirtualService", "ratings",
                     "{hosts: [ratings], http: [{mirror: {host: reviews}, route: [{destination: "
                     "{host: ratings}}]}]}"),
              {"v1-a", "ratings-a", "wp-a"});
  world.set_waypoint("reviews");
  Ask ask{.service = "ratings"};
  world.ask(ask);
  REQUIRE(world.upstreams.count("wp-a") == 1);
  for (const auto& seen : world.upstreams.seen) {
    CHECK(seen.header(kWaypointsPassed) == (seen.pod == "wp-a" ? "1" : ""));
  }
  ask.fields = {{std::string(kWaypointsPassed), std::to_string(kMaxWaypointsPassed - 1)}};
  CHECK(world.ask(ask).status == 200);
  CHECK(world.upstreams.count("wp-a") == 1);
}
