// What a CONNECT to a waypoint may ask for, what is made of a connection's first bytes, and what
// the destination's ztunnel is told.
#include <doctest/doctest.h>

#include "../mesh/sample_mesh.hpp"
#include "culvert/hbone/headers.hpp"
#include "waypoint/entry/protocol.hpp"
#include "waypoint/entry/target.hpp"
#include "waypoint/settings.hpp"
#include "waypoint/upstream/cluster_state.hpp"
#include "waypoint/upstream/tunnel_dialer.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::mesh::sample;
using mesh::AppProtocol;

namespace {

constexpr const char* kWaypointKey = "shop/wp.shop.svc.cluster.local";

// web is served by the waypoint wp, by VIP and name; db's pods are by address; bare has none.
struct World {
  World() {
    self = pod("wp-0", "10.0.0.9");
    self.services[kWaypointKey] = {{15008, 15008}};
    mesh::Service wp;
    wp.name = "wp";
    wp.ns = "shop";
    wp.hostname = "wp.shop.svc.cluster.local";
    wp.vips = {{"", ip("10.96.0.9")}};
    wp.ports = {{15008, 15008}};
    auto web = web_service();
    web.waypoint = mesh::GatewayAddress{.destination = std::string(kWaypointKey)};
    auto bare = web_service("10.96.0.2");
    bare.name = "bare";
    bare.hostname = "bare.shop.svc.cluster.local";
    auto entry = web_service("10.96.0.3");
    entry.ns = "other";
    entry.hostname = "api.example";
    entry.waypoint = mesh::GatewayAddress{.destination = mesh::NetworkAddress{"", ip("10.96.0.9")}};
    // As control tells it: of a pod the ports, of a service what they speak.
    auto db = pod("db", "10.0.0.5");
    db.waypoint = web.waypoint;
    db.services["shop/db.shop.svc.cluster.local"] = {{5432, 15432}, {80, 8080}, {81, 8081}};
    db.services["other/web.shop.svc.cluster.local"] = {{80, 15432}, {80, 8081}, {80, 9998}};
    auto of_db = web_service("10.96.0.5");
    of_db.name = "db";
    of_db.hostname = "db.shop.svc.cluster.local";
    of_db.ports = {{5432, 15432, AppProtocol::kTcp}, {80, 8080, AppProtocol::kHttp11}, {81, 8081}};
    auto of_others = web_service("10.96.0.6");
    of_others.ns = "other";
    of_others.ports = {{80, 9998, AppProtocol::kHttp2}};
    auto foreign = pod("foreign", "10.0.0.6");
    foreign.waypoint = mesh::GatewayAddress{.destination = std::string("shop/another.svc")};
    mesh = mesh_of({self, web_pod("web-0", "10.0.0.1"), db, foreign},
                   {wp, web, bare, entry, of_db, of_others});
  }
  Result<Target> find(std::string_view authority) const {
    return find_target(*mesh, self, *hbone::Authority::parse(authority), "shop");
  }
  mesh::Workload self;
  mesh::SnapshotPtr mesh;
};

}  // namespace

TEST_CASE(
    "a target is a service by VIP or name, or a workload by address, that names the waypoint") {
  const World world;
  const auto by_vip = world.find("10.96.0.1:80");
  REQUIRE(by_vip);
  CHECK(by_vip->service->name == "web");
  CHECK(by_vip->workload == nullptr);
  const auto by_name = world.find("web.shop.svc.cluster.local:80");
  REQUIRE(by_name);
  CHECK(by_name->service == by_vip->service);
  CHECK(by_name->destination == at("10.96.0.1:80"));
  const auto by_address = world.find("10.0.0.5:5432");
  REQUIRE(by_address);
  CHECK(by_address->workload->name == "db");
  CHECK(by_address->service == nullptr);
  const auto external = world.find("api.example:80");  // named by the waypoint's VIP, elsewhere
  REQUIRE(external);
  CHECK(external->service->ns == "other");
}

TEST_CASE("a host that the client may not see is no target, by name or by address") {
  World world;
  auto hidden = web_service("10.96.0.4");
  hidden.ns = "other";
  hidden.hostname = "hidden.example";
  hidden.waypoint = mesh::GatewayAddress{.destination = std::string(kWaypointKey)};
  hidden.exported_to = {"bank"};
  mesh::Delta delta;
  delta.services = {hidden};
  world.mesh = apply(*world.mesh, std::move(delta));
  for (const auto* text : {"hidden.example:80", "10.96.0.4:80"}) {
    const auto authority = *hbone::Authority::parse(text);
    CHECK_FALSE(find_target(*world.mesh, world.self, authority, "shop"));
    CHECK(find_target(*world.mesh, world.self, authority, "bank"));
  }
}

TEST_CASE("a waypoint is nobody's open proxy") {
  const World world;
  for (const auto* text : {"10.96.0.2:80", "bare.shop.svc.cluster.local:80",  // names no waypoint
                           "10.0.0.6:80",                                     // names another
                           "10.0.0.1:8080",  // a pod, only whose service names it
                           "10.96.0.1:81", "web.shop.svc.cluster.local:81",  // no such port
                           "10.0.0.5:15008",                                 // a tunnel's port
                           "10.9.9.9:80", "nobody.example:80", "web.other.svc.cluster.local:80"}) {
    CAPTURE(text);
    const auto found = world.find(text);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kInvalid);
    CHECK(found.error().origin == Origin::kClient);
  }
}

TEST_CASE("the port's declaration decides first, then the first bytes") {
  using http::Detected;
  CHECK_FALSE(asks_first_bytes(AppProtocol::kTcp));
  CHECK_FALSE(asks_first_bytes(AppProtocol::kTls));
  CHECK(asks_first_bytes(AppProtocol::kUnknown));
  CHECK_FALSE(client_speaks_first(AppProtocol::kUnknown));
  CHECK(client_speaks_first(AppProtocol::kGrpc));
  for (const auto first : {Detected::kHttp1, Detected::kHttp2, Detected::kMore}) {
    CHECK(decide_protocol(AppProtocol::kTcp, first) == Speaks::kTcp);
  }
  CHECK(decide_protocol(AppProtocol::kUnknown, Detected::kMore) == Speaks::kTcp);
  CHECK(decide_protocol(AppProtocol::kUnknown, Detected::kTls) == Speaks::kTcp);
  CHECK(decide_protocol(AppProtocol::kUnknown, Detected::kHttp1) == Speaks::kHttp1);
  CHECK(decide_protocol(AppProtocol::kUnknown, Detected::kHttp2) == Speaks::kHttp2);
  // Prior knowledge on a port for HTTP/1.1, and the reverse, are taken as they are.
  CHECK(decide_protocol(AppProtocol::kHttp11, Detected::kHttp2) == Speaks::kHttp2);
  CHECK(decide_protocol(AppProtocol::kGrpc, Detected::kHttp1) == Speaks::kHttp1);
  // What is no HTTP meets a reader that refuses it.
  CHECK(decide_protocol(AppProtocol::kHttp11, Detected::kTcp) == Speaks::kHttp1);
  CHECK(decide_protocol(AppProtocol::kGrpc, Detected::kTls) == Speaks::kHttp2);
}

TEST_CASE(
    "a server that may speak first waits 100 ms for its client, and not at all where it is said") {
  using namespace std::chrono_literals;
  CHECK(kFirstBytesWait <= 100ms);
  CHECK_FALSE(client_speaks_first(AppProtocol::kUnknown));  // that is the wait then
  CHECK_FALSE(asks_first_bytes(AppProtocol::kTcp));
}

TEST_CASE("a workload's port is declared by its namespace's service that leads to it, no other") {
  const World world;
  Arrival arrival;
  arrival.workload = world.mesh->workload_named("shop", "db");
  const auto declared = [&](const char* text) {
    arrival.destination = at(text);
    return declared_at(*world.mesh, arrival);
  };
  CHECK(declared("10.0.0.5:15432") == AppProtocol::kTcp);
  CHECK(declared("10.0.0.5:8080") == AppProtocol::kHttp11);
  CHECK(declared("10.0.0.5:8081") == AppProtocol::kUnknown);  // said by another namespace's alone
  CHECK(declared("10.0.0.5:9998") == AppProtocol::kUnknown);
  CHECK(declared("10.0.0.5:9999") == AppProtocol::kUnknown);
  arrival.workload = nullptr;
  CHECK(declared("10.0.0.5:80") == AppProtocol::kHttp11);  // an edge
}

TEST_CASE("the destination's ztunnel is told whom the waypoint speaks for; an edge tells nothing") {
  const World world;
  const Endpoint to{world.mesh->workload_named("shop", "web-0"), at("10.0.0.1:8080")};
  Client client;
  client.identity = mesh::Identity{"cluster.local", "bank", "teller"};
  client.address = at("10.0.0.7:41000");
  auto headers = upstream_request(to, client, world.self);
  REQUIRE(headers);
  const auto request = hbone::parse_connect(*headers);
  REQUIRE(request);
  CHECK(*request->authority.address() == at("10.0.0.1:8080"));
  REQUIRE(request->source);
  CHECK(request->source->identity == "spiffe://cluster.local/ns/bank/sa/teller");
  CHECK(request->source->address == client.address);
  CHECK(request->forwarded->source == client.address);

  client.identity.reset();
  headers = upstream_request(to, client, world.self);
  REQUIRE(headers);
  CHECK(h2::find(*headers, "x-culvert-source") == nullptr);
  CHECK(h2::find(*headers, "forwarded") == nullptr);
}

TEST_CASE("a tunnel is dialed by a family that the pod has") {
  auto both = pod("web-0", "10.0.0.1");
  both.addresses.push_back(ip("fd00::1"));
  const auto workload = std::make_shared<const mesh::Workload>(both);
  const std::vector<IpAddress> v4{ip("10.0.0.9")}, v6{ip("fd00::9")};
  const Endpoint to{workload, at("[fd00::1]:8080")};
  CHECK(tunnel_address(to, v6) == at("[fd00::1]:15008"));
  CHECK(tunnel_address(to, v4) == at("10.0.0.1:15008"));
  const Endpoint only{std::make_shared<const mesh::Workload>(pod("web-1", "10.0.0.2")),
                      at("10.0.0.2:80")};
  CHECK(tunnel_address(only, v6) == at("10.0.0.2:15008"));
}

TEST_CASE("behind a waypoint the waypoint is dialed, and asked for the service") {
  auto waypoint = pod("waypoint-1", "10.0.0.7");
  waypoint.addresses.push_back(ip("fd00::7"));
  mesh::Service service;
  service.ns = "shop";
  service.hostname = "web.shop.svc.cluster.local";
  service.waypoint = mesh::GatewayAddress{"shop/waypoint.shop.svc.cluster.local", 15010};
  service.vips = {{"", ip("10.1.0.1")}, {"", ip("fd01::1")}};
  Host host;
  host.workload = std::make_shared<const mesh::Workload>(waypoint);
  host.port = 80;
  host.behind_waypoint = std::make_shared<const mesh::Service>(service);
  const std::vector<IpAddress> both{ip("10.0.0.9"), ip("fd00::9")};
  const auto v4 = endpoint_of(host, ip("10.0.0.9"));
  CHECK(v4.address == at("10.1.0.1:80"));
  CHECK(tunnel_address(v4, both) == at("10.0.0.7:15010"));
  const auto v6 = endpoint_of(host, ip("fd00::9"));
  CHECK(v6.address == at("[fd01::1]:80"));
  CHECK(tunnel_address(v6, both) == at("[fd00::7]:15010"));
  CHECK(tunnel_address(v6, std::vector{ip("10.0.0.9")}) == at("10.0.0.7:15010"));

  service.vips.clear();  // without an address it is asked for by its name
  host.behind_waypoint = std::make_shared<const mesh::Service>(service);
  const auto named = upstream_request(endpoint_of(host, ip("10.0.0.9")), {}, waypoint);
  REQUIRE(named);
  const auto request = hbone::parse_connect(*named);
  REQUIRE(request);
  REQUIRE(request->authority.host() != nullptr);
  CHECK(request->authority.host()->host == service.hostname);
  CHECK(request->authority.host()->port == 80);
}

namespace {

std::shared_ptr<View> view_of(const World& world, const std::string& edge_namespace) {
  auto view = std::make_shared<View>();
  view->mesh = world.mesh;
  view->edges = std::make_shared<const Edges>(Edges{edge_namespace, {}});
  return view;
}

Result<mesh::Route> route_from(const mesh::Workload& self, const View& view, const std::string& pod,
                               std::span<const std::string> tried = {}) {
  mesh::RoundRobin turns;
  const auto workload = view.mesh->workload_named("shop", pod);
  const Endpoint to{workload, {workload->addresses.front(), 15432}};
  return route_to(to, view, self, std::vector{ip("10.0.0.20")}, turns, tried);
}

}  // namespace

TEST_CASE("an edge reaches a pod by the pod's own waypoint, a waypoint reaches it itself") {
  const World world;
  const auto at_edge = view_of(world, "shop"), at_waypoint = view_of(world, "");
  const auto edge = pod("edge", "10.0.0.20");

  const auto by_waypoint = route_from(edge, *at_edge, "db");
  REQUIRE(by_waypoint);
  CHECK(by_waypoint->via_waypoint);
  CHECK(by_waypoint->workload->name == "wp-0");
  CHECK(by_waypoint->next_hop == at("10.0.0.9:15008"));
  CHECK(by_waypoint->target == at("10.0.0.5:15432"));
  CHECK(by_waypoint->expected_identities == std::vector{world.self.identity()});

  // Never to itself nor to another waypoint: whatever stands in front of the pod.
  for (const auto* name : {"db", "foreign"}) {
    const auto direct = route_from(world.self, *at_waypoint, name);
    REQUIRE(direct);
    CHECK_FALSE(direct->via_waypoint);
    CHECK(direct->workload->name == name);
  }
  const auto own = route_from(world.self, *at_edge, "db");  // an edge that is the waypoint itself
  REQUIRE(own);
  CHECK(own->workload->name == "db");

  // A waypoint that nobody has, or of which all were tried, is not gone past.
  CHECK(route_from(edge, *at_edge, "foreign").error().code == ErrorCode::kNoUpstream);
  const std::vector<std::string> tried{world.self.uid};
  CHECK(route_from(edge, *at_edge, "db", tried).error().code == ErrorCode::kNoUpstream);
  const auto bare = route_from(edge, *at_edge, "web-0");
  REQUIRE(bare);
  CHECK(bare->workload->name == "web-0");
}
