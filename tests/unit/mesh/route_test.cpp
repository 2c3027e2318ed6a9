#include "culvert/mesh/route.hpp"

#include <doctest/doctest.h>

#include <set>

#include "sample_mesh.hpp"

using namespace culvert;
using namespace culvert::mesh;
using namespace culvert::mesh::sample;
using Protocol = Route::Protocol;

namespace {

const Workload kSource = pod("client", "10.0.0.9");

Result<Route> resolve(const SnapshotPtr& mesh, std::string_view destination,
                      const Workload& source = kSource) {
  RoundRobin state;
  return resolve_destination(*mesh, at(destination), source, state);
}

Service waypoint_service() {
  auto s = web_service("10.96.0.15");
  s.name = "waypoint";
  s.hostname = "waypoint.shop.svc.cluster.local";
  s.ports = {{15008, 15008}};
  return s;
}
constexpr const char* kWaypointKey = "shop/waypoint.shop.svc.cluster.local";

Workload waypoint_pod() {
  auto w = pod("waypoint-1", "10.0.0.15", TunnelProtocol::kNone);
  w.services[kWaypointKey] = {{15008, 15008}};
  return w;
}

}  // namespace

TEST_CASE("an address that the mesh does not know passes through") {
  const auto route = resolve(mesh_of({}), "192.0.2.1:443");
  REQUIRE(route);
  CHECK(route->protocol == Protocol::kPassthrough);
  CHECK(route->next_hop == at("192.0.2.1:443"));
  CHECK_FALSE(route->workload);
}

TEST_CASE("a workload's address leads to it by HBONE, and its identity is expected") {
  const auto route = resolve(mesh_of({pod("web", "10.0.0.1")}), "10.0.0.1:8080");
  REQUIRE(route);
  CHECK(route->protocol == Protocol::kHbone);
  CHECK(route->next_hop == at("10.0.0.1:15008"));
  CHECK(route->target == at("10.0.0.1:8080"));
  REQUIRE(route->expected_identities.size() == 1);
  CHECK(route->expected_identities[0].to_string() == "spiffe://cluster.local/ns/shop/sa/sa-web");
  CHECK_FALSE(route->service);
  CHECK_FALSE(route->to_self);
}

TEST_CASE("a workload without a tunnel, and a plaintext port of one with, are reached plainly") {
  const auto plain = mesh_of({pod("web", "10.0.0.1", TunnelProtocol::kNone)});
  CHECK(resolve(plain, "10.0.0.1:8080")->protocol == Protocol::kPlaintext);
  CHECK(resolve(plain, "10.0.0.1:8080")->next_hop == at("10.0.0.1:8080"));
  auto w = pod("web", "10.0.0.1");
  w.plaintext_ports = {9090};
  const auto mixed = mesh_of({w});
  CHECK(resolve(mixed, "10.0.0.1:9090")->protocol == Protocol::kPlaintext);
  CHECK(resolve(mixed, "10.0.0.1:8080")->protocol == Protocol::kHbone);
  w.plaintext_all_but = true;
  const auto inverse = mesh_of({w});
  CHECK(resolve(inverse, "10.0.0.1:9090")->protocol == Protocol::kHbone);
  CHECK(resolve(inverse, "10.0.0.1:8080")->protocol == Protocol::kPlaintext);
}

TEST_CASE("a VIP leads to an endpoint's target port, and the service is told") {
  const auto mesh = mesh_of({web_pod("web", "10.0.0.1")}, {web_service()});
  const auto route = resolve(mesh, "10.96.0.1:80");
  REQUIRE(route);
  CHECK(route->target == at("10.0.0.1:8080"));
  CHECK(route->service->key() == kWebKey);
}

TEST_CASE("identities that a service adds are accepted too") {
  auto service = web_service();
  service.subject_alt_names = {*Identity::parse("spiffe://cluster.local/ns/shop/sa/extra")};
  const auto mesh = mesh_of({web_pod("web", "10.0.0.1")}, {service});
  CHECK(resolve(mesh, "10.96.0.1:80")->expected_identities.size() == 2);
}

TEST_CASE("an endpoint's own target port wins over the service's") {
  auto w = web_pod("web", "10.0.0.1");
  w.services[kWebKey] = {{80, 9999}};
  CHECK(resolve(mesh_of({w}, {web_service()}), "10.96.0.1:80")->target == at("10.0.0.1:9999"));
}

TEST_CASE("round robin takes the healthy endpoints in turn") {
  auto sick = web_pod("b", "10.0.0.2");
  sick.healthy = false;
  const auto mesh =
      mesh_of({web_pod("a", "10.0.0.1"), sick, web_pod("c", "10.0.0.3")}, {web_service()});
  RoundRobin state;
  std::vector<std::string> seen;
  for (int i = 0; i < 4; ++i) {
    seen.push_back(resolve_destination(*mesh, at("10.96.0.1:80"), kSource, state)->workload->name);
  }
  CHECK(seen == std::vector<std::string>{"a", "c", "a", "c"});
}

TEST_CASE("endpoints get the share that their weights say, and those of weight 0 nothing") {
  auto a = web_pod("a", "10.0.0.1");
  a.capacity = 70;
  auto b = web_pod("b", "10.0.0.2");
  b.capacity = 30;
  auto none = web_pod("c", "10.0.0.3");
  none.capacity = 0;
  const auto mesh = mesh_of({a, b, none}, {web_service()});
  RoundRobin state;
  std::map<std::string, int> seen;
  std::size_t row = 0, longest = 0;
  std::string last;
  for (int i = 0; i < 1000; ++i) {
    const auto name =
        resolve_destination(*mesh, at("10.96.0.1:80"), kSource, state)->workload->name;
    ++seen[name];
    row = name == last ? row + 1 : 1;
    longest = std::max(longest, row);
    last = name;
  }
  CHECK(std::abs(seen["a"] - 700) <= 2);
  CHECK(std::abs(seen["b"] - 300) <= 2);
  CHECK(longest <= 4);  // in turns, not seventy after one another
  CHECK(resolve(mesh_of({none}, {web_service()}), "10.96.0.1:80").error().code ==
        ErrorCode::kNoUpstream);
}

TEST_CASE("unhealthy endpoints serve where the service allows them") {
  auto sick = web_pod("a", "10.0.0.1");
  sick.healthy = false;
  auto service = web_service();
  CHECK(resolve(mesh_of({sick}, {service}), "10.96.0.1:80").error().code == ErrorCode::kNoUpstream);
  service.allow_unhealthy = true;
  CHECK(resolve(mesh_of({sick}, {service}), "10.96.0.1:80"));
}

TEST_CASE("a service refuses ports that it does not have") {
  const auto mesh = mesh_of({web_pod("a", "10.0.0.1")}, {web_service()});
  CHECK(resolve(mesh, "10.96.0.1:81").error().code == ErrorCode::kInvalid);
}

TEST_CASE("an endpoint whose port is unknown is not chosen") {
  auto service = web_service();
  service.ports = {{80, 0}};  // a named port that each pod resolves
  auto without = web_pod("a", "10.0.0.1");
  without.services[kWebKey] = {};
  CHECK(resolve(mesh_of({without}, {service}), "10.96.0.1:80").error().code ==
        ErrorCode::kNoUpstream);
  CHECK(resolve(mesh_of({without, web_pod("b", "10.0.0.2")}, {service}), "10.96.0.1:80")
            ->workload->name == "b");
}

TEST_CASE("a dual-stack workload is reached on the client's family") {
  auto w = web_pod("web", "10.0.0.1");
  w.addresses.push_back(ip("fd00::1"));
  auto service = web_service();
  service.vips.push_back({"", ip("fd96::1")});
  const auto mesh = mesh_of({w}, {service});
  CHECK(resolve(mesh, "[fd96::1]:80")->target == at("[fd00::1]:8080"));
  CHECK(resolve(mesh, "10.96.0.1:80")->target == at("10.0.0.1:8080"));
}

TEST_CASE("a connection to oneself by the VIP says so") {
  auto self = web_pod("client", "10.0.0.9");
  CHECK(resolve(mesh_of({self}, {web_service()}), "10.96.0.1:80", self)->to_self);
}

TEST_CASE("a service in passthrough mode keeps the address asked for") {
  auto service = web_service();
  service.passthrough = true;
  const auto route = resolve(mesh_of({web_pod("a", "10.0.0.1")}, {service}), "10.96.0.1:80");
  CHECK(route->protocol == Protocol::kPassthrough);
}

TEST_CASE("a waypoint gets the connection with the original address as target") {
  auto service = web_service();
  service.waypoint = GatewayAddress{std::string(kWaypointKey), 15008};
  const auto mesh =
      mesh_of({web_pod("a", "10.0.0.1"), waypoint_pod()}, {service, waypoint_service()});
  const auto route = resolve(mesh, "10.96.0.1:80");
  REQUIRE(route);
  CHECK(route->via_waypoint);
  CHECK(route->next_hop == at("10.0.0.15:15008"));
  CHECK(route->target == at("10.96.0.1:80"));
  CHECK(route->expected_identities[0].service_account == "sa-waypoint-1");
  CHECK(resolve(mesh, "10.96.0.1:80", waypoint_pod())->workload->name == "a");  // its own traffic
}

TEST_CASE("a waypoint that is gone refuses and is not bypassed") {
  auto service = web_service();
  service.waypoint = GatewayAddress{std::string(kWaypointKey), 15008};
  const auto web = web_pod("a", "10.0.0.1");
  CHECK(resolve(mesh_of({web}, {service}), "10.96.0.1:80").error().code == ErrorCode::kNoUpstream);
  auto direct = pod("b", "10.0.0.2");
  direct.waypoint = GatewayAddress{NetworkAddress{"", ip("10.0.0.15")}, 15008};
  CHECK(resolve(mesh_of({direct}), "10.0.0.2:80").error().code == ErrorCode::kNoUpstream);
  CHECK(resolve(mesh_of({direct, waypoint_pod()}), "10.0.0.2:80")->via_waypoint);
}

TEST_CASE("a pod's own waypoint is passed through by who comes by a service without one, too") {
  auto web = web_pod("a", "10.0.0.1");
  web.waypoint = GatewayAddress{std::string(kWaypointKey), 15008};
  const auto mesh = mesh_of({web, waypoint_pod()}, {web_service(), waypoint_service()});
  const auto route = resolve(mesh, "10.96.0.1:80");
  REQUIRE(route);
  CHECK(route->via_waypoint);
  CHECK(route->target == at("10.0.0.1:8080"));
  CHECK(route->service->key() == kWebKey);
  CHECK_FALSE(resolve(mesh, "10.96.0.1:80", waypoint_pod())->via_waypoint);
}

TEST_CASE("a waypoint's ready replicas take turns, without those that were tried") {
  auto service = web_service();
  service.waypoint = GatewayAddress{std::string(kWaypointKey), 15008};
  auto one = waypoint_pod(), two = waypoint_pod(), sick = waypoint_pod();
  two.uid += "b", two.addresses = {ip("10.0.0.16")};
  sick.uid += "c", sick.healthy = false;
  const auto mesh =
      mesh_of({web_pod("a", "10.0.0.1"), one, two, sick}, {service, waypoint_service()});
  RoundRobin state, again;
  std::vector<std::string> seen, tried{one.uid};
  for (int i = 0; i < 4; ++i) {
    const auto route = resolve_destination(*mesh, at("10.96.0.1:80"), kSource, state);
    seen.push_back(route->workload->uid);
    CHECK(resolve_destination(*mesh, at("10.96.0.1:80"), kSource, again, tried)->workload->uid ==
          two.uid);
  }
  CHECK(std::set<std::string>(seen.begin(), seen.end()) == std::set<std::string>{one.uid, two.uid});
  tried.push_back(two.uid);
  CHECK(resolve_destination(*mesh, at("10.96.0.1:80"), kSource, again, tried).error().code ==
        ErrorCode::kNoUpstream);
}

TEST_CASE("the rotation's memory is bounded") {
  RoundRobin state;
  for (std::size_t i = 0; i <= RoundRobin::kMaxServices; ++i) state.next(std::to_string(i), 1);
  CHECK(state.next("0", 2) == 0);  // forgotten with the rest, so it starts over
  CHECK(state.next("0", 2) == 1);
}
