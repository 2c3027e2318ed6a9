// What is said of a request that an edge takes: its Gateways' rules, the way to each destination,
// and the rules of the waypoint there.
#include "culvert/explain/edge.hpp"

#include <doctest/doctest.h>

#include "../l7/lab.hpp"
#include "small_mesh.hpp"

using namespace culvert;
using namespace culvert::explain;
using testing::SmallMesh;
using Kind = l7::Decision::Kind;

namespace {

constexpr std::uint16_t kPort = 8000;
const mesh::GatewayAddress kWaypoint{mesh::NetworkAddress{"", testing::ip("10.0.2.4")},
                                     mesh::kHbonePort};

/// The small mesh with reviews (a pod in each of two versions), a waypoint shop/wp for whoever
/// names it, and the edge shop/edge of a Gateway for "*.example".
struct EdgeMesh : SmallMesh {
  explicit EdgeMesh(const std::string& rules) : lab(rules) {
    auto reviews = testing::service("shop", "reviews", "10.96.0.7", 80, 8080);
    reviews.ports = {{80, 8080, mesh::AppProtocol::kHttp11}};
    services.push_back(reviews);
    add("edge", "10.0.2.5");
    add("wp", "10.0.2.4");
    for (const char* name : {"v1", "v2"}) {
      add(std::string("reviews-") + name, name == std::string("v1") ? "10.0.1.8" : "10.0.1.9");
      pods[std::string("shop/reviews-") + name].services["shop/reviews.shop.svc.cluster.local"] = {
          {80, 8080, mesh::AppProtocol::kHttp11}};
    }
  }
  void add(const std::string& name, const char* ip) {
    auto made = testing::pod("shop", name, "west", ip);
    made.healthy = true;
    pods["shop/" + name] = made;
  }
  mesh::Service& reviews() { return services.back(); }

  EdgeAnswer ask(const std::string& authority = "shop.example", const std::string& path = "/",
                 std::vector<std::pair<std::string, std::string>> headers = {}) {
    now = snapshot();
    const Question question{*now,
                            now->workload_named("shop", "edge"),
                            {testing::ip("10.0.2.5"), kPort},
                            {},
                            [this](const mesh::Workload& w) { return capture_of(w); },
                            false};
    const Edge edge{{question, "the edge",
                     [this](const mesh::Workload& w) -> const PodLabels* {
                       const auto found = labels.find(w.name);
                       return found == labels.end() ? nullptr : &found->second;
                     },
                     [this](const std::string& ns) -> const l7::RouteTable& {
                       asked_for.push_back(ns);
                       return *lab.table;
                     }},
                    gateways,
                    *lab.table};
    return explain_at_edge(edge, kPort, {"GET", path, authority, std::move(headers)});
  }

  l7::test::Lab lab;
  mesh::SnapshotPtr now;
  std::vector<l7::EdgeObject> gateways{
      {"shop/front", {{"app", "edge"}}, {{kPort, {{"*", "*.example"}}}}}};
  std::map<std::string, PodLabels> labels{{"reviews-v1", {{"version", "v1"}}},
                                          {"reviews-v2", {{"version", "v2"}}},
                                          {"edge", {{"app", "edge"}}}};
  std::vector<std::string> asked_for;  // namespaces of waypoints
};

std::string at_gateway(const std::string& route, const std::string& name = "front") {
  return l7::test::object("VirtualService", name,
                          "{hosts: [shop.example], gateways: [front], http: [" + route + "]}");
}
std::string in_mesh(const std::string& rules) {
  return l7::test::object("VirtualService", "inner", "{hosts: [reviews], http: " + rules + "}");
}
const std::string kToReviews = "{route: [{destination: {host: reviews, port: {number: 80}}}]}";
/// A subset of it, with its share.
std::string part(const std::string& subset, int weight) {
  return "{destination: {host: reviews, port: {number: 80}" +
         (subset.empty() ? "" : ", subset: " + subset) + "}, weight: " + std::to_string(weight) +
         "}";
}

std::string names_of(const EdgeAnswer& answer) {
  std::string out;
  for (const auto& step : answer.steps) out += step.name + " ";
  return out;
}

const Step& find(const EdgeAnswer& answer, const std::string& name, std::size_t skip = 0) {
  for (const auto& step : answer.steps) {
    if (step.name == name && skip-- == 0) return step;
  }
  FAIL("no step " << name);
  return answer.steps.front();
}

}  // namespace

TEST_CASE("both stages are told: the Gateway's rules, then those of the mesh at the waypoint") {
  EdgeMesh mesh(
      at_gateway("{name: out, headers: {request: {set: {x-user: jason}}}, rewrite: {uri: /api}, "
                 "route: [" +
                 part("", 1) + "]}") +
      l7::test::subsets() +
      in_mesh("[{name: jason, match: [{headers: {x-user: {exact: jason}}, uri: {exact: "
              "/api}, sourceLabels: {app: edge}}], " +
              l7::test::to("v2") + "}, {" + l7::test::to("v1") + "}]"));
  mesh.reviews().waypoint = kWaypoint;
  const auto answer = mesh.ask("shop.example", "/", {{"x-envoy-max-retries", "1"}});
  CHECK(answer.gateway == "shop/front");
  CHECK(answer.request.virtual_service == "shop/front");
  REQUIRE(answer.ways.size() == 1);
  const auto& way = answer.ways.front();
  REQUIRE(way.connection.branches.size() == 1);
  CHECK(way.connection.branches[0].route.via_waypoint);
  CHECK(way.connection.branches[0].route.target == *SocketAddress::parse("10.96.0.7:80"));
  CHECK(way.connection.branches[0].behind.size() == 2);
  REQUIRE(way.behind.size() == 1);
  CHECK(way.behind[0].request.virtual_service == "shop/inner");
  CHECK(way.behind[0].request.shares[0].cluster == "reviews.shop.svc.cluster.local v2 port 80");
  CHECK(mesh.asked_for == std::vector<std::string>{"shop"});

  CHECK(names_of(answer) ==
        "edge rule request way path identity behind behind decision rule request ");
  CHECK(find(answer, "edge").text ==
        "shop/edge serves port 8000 by Gateway shop/front (*.example)");
  CHECK(find(answer, "edge").objects[0] == ObjectRef{"Gateway", "shop", "front"});
  CHECK(find(answer, "request").text.ends_with(", by the rules for Gateway shop/front"));
  CHECK(find(answer, "request").objects[0] == ObjectRef{"VirtualService", "shop", "front"});
  CHECK(find(answer, "way").text ==
        "service shop/reviews has the waypoint 10.0.2.4:15008: shop/edge goes to it, at shop/wp");
  CHECK(find(answer, "identity").text.starts_with("from spiffe://cluster.local/ns/shop/sa/edge"));
  const auto& last = find(answer, "request", 1);
  CHECK(last.text ==
        "GET shop.example/api: forwarded to reviews.shop.svc.cluster.local v2 port 80, at the "
        "waypoint 10.0.2.4:15008");
  CHECK(last.objects[0] == ObjectRef{"VirtualService", "shop", "inner"});
  CHECK(last.endpoint == "reviews.shop.svc.cluster.local port 80");
}

TEST_CASE("without a waypoint the edge chooses a pod, of a subset one with its labels") {
  EdgeMesh mesh(at_gateway("{route: [" + part("v1", 1) + ", " + part("", 3) + "]}") +
                l7::test::subsets());
  const auto answer = mesh.ask();
  REQUIRE(answer.ways.size() == 2);
  CHECK(answer.ways[0].share.percent == 25);
  REQUIRE(answer.ways[0].connection.branches.size() == 1);
  CHECK(answer.ways[0].connection.branches[0].route.workload->name == "reviews-v1");
  CHECK(answer.ways[1].connection.branches.size() == 2);
  CHECK(answer.ways[0].behind.empty());
  CHECK(find(answer, "way").endpoint == "reviews.shop.svc.cluster.local v1 port 80 (25 %)");
  CHECK(find(answer, "way").text ==
        "service shop/reviews has no waypoint: shop/edge chooses among its pods");

  mesh.labels.erase("reviews-v1");
  const auto nobody = mesh.ask().ways[0].connection;
  CHECK(nobody.flag == "UH");
  CHECK(nobody.reason == "the edge answers 503: no pod that is ready has the labels of subset v1");
}

TEST_CASE("a pod's own waypoint is in the way of that pod alone") {
  EdgeMesh mesh(at_gateway(kToReviews) + in_mesh("[" + kToReviews + "]"));
  mesh.pods["shop/reviews-v1"].waypoint = kWaypoint;
  const auto answer = mesh.ask();
  const auto& way = answer.ways.front();
  REQUIRE(way.connection.branches.size() == 2);
  for (const auto& branch : way.connection.branches) {
    CHECK(branch.outcome == Outcome::kAnswered);
    const bool own = branch.route.target.ip == testing::ip("10.0.1.8");
    CHECK(branch.route.via_waypoint == own);
    if (own) {
      CHECK(branch.route.workload->name == "wp");
      REQUIRE(branch.behind.size() == 1);
      CHECK(branch.behind[0].workload->name == "reviews-v1");
    }
  }
  REQUIRE(way.behind.size() == 1);
  CHECK(way.behind[0].request.virtual_service == "shop/inner");
  CHECK(find(answer, "way")
            .text.ends_with(
                "some have the waypoint 10.0.2.4:15008 of their own, and are reached by it"));
}

TEST_CASE("what an edge refuses by itself has its flag and its reason") {
  EdgeMesh mesh(at_gateway("{route: [" + part("v1", 1) + "]}") + l7::test::subsets());
  mesh.reviews().waypoint = kWaypoint;
  const auto subset = mesh.ask().ways.front().connection;
  CHECK(subset.flag == "UH");
  CHECK(subset.reason.find("10.0.2.4:15008 of shop/reviews cannot be told of subset v1") !=
        std::string::npos);

  EdgeMesh gone(at_gateway(kToReviews));
  gone.reviews().waypoint = kWaypoint;
  gone.pods["shop/wp"].healthy = false;
  CHECK(gone.ask().ways.front().connection.reason ==
        "the edge answers 503: no replica is ready of the waypoint 10.0.2.4:15008");
  CHECK(gone.ask().ways.front().behind.empty());

  EdgeMesh unknown(at_gateway("{route: [{destination: {host: nobody}}]}"));
  CHECK(unknown.ask().request.kind == Kind::kNoCluster);
  CHECK(unknown.ask().ways.front().connection.flag == "NC");
  CHECK(find(unknown.ask(), "way").text ==
        "the edge answers 503: nobody has such a host, subset or port");
}

TEST_CASE("a host or port that no Gateway has is told so") {
  EdgeMesh mesh(at_gateway(kToReviews));
  const auto other = mesh.ask("elsewhere.org");
  CHECK(other.request.kind == Kind::kNoHost);
  CHECK(other.gateway.empty());
  CHECK(other.ways.empty());
  CHECK(other.request.text.find("404, flag NR") != std::string::npos);
  mesh.gateways.clear();
  CHECK(find(mesh.ask(), "edge").text ==
        "no Gateway that selects shop/edge has port 8000: nobody listens there");
}
