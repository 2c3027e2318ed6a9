// What is said of a request whose rules lead from one waypoint to another.
#include "culvert/explain/way.hpp"

#include <doctest/doctest.h>

#include "../l7/lab.hpp"
#include "culvert/explain/edge.hpp"
#include "small_mesh.hpp"

using namespace culvert;
using namespace culvert::explain;
using testing::SmallMesh;

namespace {

constexpr const char* kReviews = "reviews.shop.svc.cluster.local";

mesh::GatewayAddress at(const char* ip) {
  return {mesh::NetworkAddress{"", testing::ip(ip)}, mesh::kHbonePort};
}

/// reviews behind the waypoint shop/left, ratings behind shop/right, a pod each, and an edge.
struct TwoWaypoints : SmallMesh {
  explicit TwoWaypoints(const std::string& rules) : lab(l7::test::subsets() + rules) {
    add("left", "10.0.2.4");
    add("right", "10.0.2.6");
    add("edge", "10.0.2.5");
    add_service("reviews", "10.96.0.7", "10.0.1.8", "10.0.2.4");
    add_service("ratings", "10.96.0.8", "10.0.1.9", "10.0.2.6");
  }
  void add(const std::string& name, const char* ip) {
    auto made = testing::pod("shop", name, "west", ip);
    made.healthy = true;
    pods["shop/" + name] = made;
  }
  void add_service(const std::string& name, const char* vip, const char* pod_ip,
                   const char* waypoint) {
    auto made = testing::service("shop", name, vip, 80, 8080);
    made.ports = {{80, 8080, mesh::AppProtocol::kHttp11}};
    made.waypoint = at(waypoint);
    add(name + "-1", pod_ip);
    pods["shop/" + name + "-1"].services[made.key()] = {{80, 8080, mesh::AppProtocol::kHttp11}};
    services.push_back(made);
  }
  mesh::Service& service(const std::string& name) {
    return *std::ranges::find(services, name, &mesh::Service::name);
  }
  Question question_of(const std::string& pod) {
    now = snapshot();
    return {*now,
            now->workload_named("shop", pod),
            *SocketAddress::parse("10.96.0.7:80"),
            {},
            [this](const mesh::Workload& w) { return capture_of(w); },
            false};
  }
  Proxy proxy(const Question& question, const std::string& called) {
    return {question, called, [](const mesh::Workload&) -> const PodLabels* { return nullptr; },
            [this](const std::string&) -> const l7::RouteTable& { return *lab.table; }};
  }
  /// Asks shop/left for reviews.
  AtWaypoint ask(std::uint32_t passed = 0, bool dialled = false) {
    const auto question = question_of("left");
    RequestQuestion request{.routes = *lab.table, .host = kReviews, .port = 80, .path = "/a"};
    request.client = now->workload_named("shop", "web");
    return explain_at_waypoint(proxy(question, "shop/left"), {request, passed, dialled});
  }

  l7::test::Lab lab;
  mesh::SnapshotPtr now;
};

std::string rules(const std::string& host, const std::string& http) {
  return l7::test::object("VirtualService", host, "{hosts: [" + host + "], http: [" + http + "]}");
}
std::string to(const std::string& host, const std::string& more = "") {
  return "{" + more + "route: [{destination: {host: " + host + "}}]}";
}

/// Names of the steps, one after the other.
std::string names_of(const std::vector<Step>& steps) {
  std::string out;
  for (const auto& step : steps) out += step.name + " ";
  return out;
}

/// The way that the one of each waypoint leads to; null where there is none.
const Way* next(const Way& way) {
  if (way.behind.empty() || way.behind.front().ways.empty()) return nullptr;
  return &way.behind.front().ways.front();
}

/// Proxies that a request passes behind the first, and how it ends.
std::pair<int, const Way*> last_of(const std::vector<Way>& ways) {
  REQUIRE(ways.size() == 1);
  const auto* way = &ways.front();
  int passed = 0;
  for (; next(*way) != nullptr; way = next(*way)) ++passed;
  if (!way->behind.empty()) ++passed;
  return {passed, way};
}

}  // namespace

TEST_CASE("a rule that leads to a service of another waypoint is told with the rules there") {
  TwoWaypoints mesh(
      rules("reviews", to("ratings",
                          "headers: {request: {set: {x-by: left}}}, rewrite: {uri: /b/, "
                          "authority: there}, ")) +
      rules("ratings",
            "{name: by-left, match: [{headers: {x-by: {exact: left}}, uri: {exact: /b/a}, "
            "authority: {exact: there}}], route: [{destination: {host: ratings}}]}"));
  const auto answer = mesh.ask();
  CHECK(answer.request.virtual_service == "shop/reviews");
  REQUIRE(answer.ways.size() == 1);
  const auto& way = answer.ways.front();
  CHECK(way.share.cluster == "ratings.shop.svc.cluster.local port 80");
  REQUIRE(way.connection.branches.size() == 1);
  const auto& branch = way.connection.branches.front();
  CHECK(branch.route.workload->name == "right");
  CHECK(branch.route.target == *SocketAddress::parse("10.96.0.8:80"));
  CHECK(branch.asked->source->service_account == "left");  // it is the caller there
  REQUIRE(branch.behind.size() == 1);
  CHECK(branch.behind.front().workload->name == "ratings-1");
  REQUIRE(way.behind.size() == 1);
  CHECK(way.behind.front().waypoint == "10.0.2.6:15008");
  CHECK(way.behind.front().request.virtual_service == "shop/ratings");
  CHECK(way.behind.front().request.route_name.starts_with("by-left"));
  CHECK(way.behind.front().ways.empty());

  CHECK(names_of(way.steps) == "way path identity behind decision rule request ");
  CHECK(
      way.steps.front().text ==
      "service shop/ratings has the waypoint 10.0.2.6:15008: shop/left goes to it, at shop/right");
  CHECK(way.steps.front().endpoint == "ratings.shop.svc.cluster.local port 80");
  CHECK(way.steps.back().text ==
        "GET there/b/a: forwarded to ratings.shop.svc.cluster.local port 80, at the waypoint "
        "10.0.2.6:15008");
}

TEST_CASE("policies of the other waypoint meet the first as their caller") {
  TwoWaypoints mesh(rules("reviews", to("ratings")));
  mesh::Match from_web;
  from_web.principals.push_back({mesh::StringMatch::Kind::kExact, "cluster.local/ns/shop/sa/web"});
  mesh.policies.push_back(testing::policy(
      mesh::Policy::Action::kAllow, mesh::Policy::Scope::kWorkload, "shop", "for-web", from_web));
  mesh.pods["shop/right"].policies = {"shop/for-web"};
  const auto refused = mesh.ask().ways.front().connection;
  CHECK(refused.outcome == Outcome::kReset);
  CHECK(refused.flag == "DENY");
}

TEST_CASE("what is the waypoint's own, or nobody's, is no way to another") {
  TwoWaypoints mesh(rules("reviews", to("reviews")));
  CHECK(mesh.ask().ways.empty());
  TwoWaypoints free(rules("reviews", to("ratings")));
  CHECK(free.ask().ways.size() == 1);
  free.service("ratings").waypoint.reset();
  CHECK(free.ask().ways.empty());
  free.service("ratings").waypoint = at("10.0.2.4");
  CHECK(free.ask().ways.empty());
}

TEST_CASE("whoever dialled a pod is led elsewhere only by a rule that says so") {
  TwoWaypoints mesh(rules("reviews", to("reviews")));
  // The pods' own waypoint is another than the service's.
  mesh.service("reviews").waypoint = at("10.0.2.6");
  CHECK(mesh.ask(0, true).ways.empty());
  CHECK(mesh.ask(0, false).ways.size() == 1);
  TwoWaypoints elsewhere(rules("reviews", to("ratings")));
  CHECK(elsewhere.ask(0, true).ways.size() == 1);
}

TEST_CASE("rules that lead to and fro are followed up to the bound, and end with its status") {
  TwoWaypoints mesh(rules("reviews", to("ratings")) + rules("ratings", to("reviews")));
  for (std::uint32_t before = 0; before < mesh::kMaxWaypointsPassed; ++before) {
    const auto answer = mesh.ask(before);
    const auto [passed, last] = last_of(answer.ways);
    CHECK(before + 1 + static_cast<unsigned>(passed) == mesh::kMaxWaypointsPassed);
    CHECK(last->connection.flag == "NR");
    CHECK(last->connection.branches.empty());
    CHECK(last->behind.empty());
    CHECK(last->steps.size() == 1);
  }
  const auto last = mesh.ask(mesh::kMaxWaypointsPassed - 1).ways.front().connection;
  CHECK(last.reason ==
        "shop/left answers 508: service shop/ratings has the waypoint 10.0.2.6:15008, and a "
        "request passes 4 at most");
  // An edge is one of them.
  TwoWaypoints edged(rules("reviews", to("ratings")) + rules("ratings", to("reviews")) +
                     l7::test::object("VirtualService", "front",
                                      "{hosts: [shop.example], gateways: [front], http: [{route: "
                                      "[{destination: {host: reviews, port: {number: 80}}}]}]}"));
  const auto question = edged.question_of("edge");
  const std::vector<l7::EdgeObject> gateways{{"shop/front", {}, {{80, {{"*", "*"}}}}}};
  const Edge edge{edged.proxy(question, "the edge"), gateways, *edged.lab.table};
  const auto answer = explain_at_edge(edge, 80, {.authority = "shop.example"});
  const auto [passed, end] = last_of(answer.ways);
  CHECK(1 + static_cast<unsigned>(passed) == mesh::kMaxWaypointsPassed);
  CHECK(end->connection.flag == "NR");
  CHECK(answer.steps.back().text.starts_with("shop/left answers 508"));
}

TEST_CASE("what a waypoint refuses by itself has its flag and its reason") {
  TwoWaypoints mesh(l7::test::object("DestinationRule", "ratings",
                                     "{host: ratings, subsets: [{name: v1, labels: {a: b}}]}") +
                    rules("reviews", "{route: [{destination: {host: ratings, subset: v1}}]}"));
  const auto subset = mesh.ask().ways.front().connection;
  CHECK(subset.flag == "UH");
  CHECK(subset.reason ==
        "shop/left answers 503: the waypoint 10.0.2.6:15008 of shop/ratings cannot be told of "
        "subset v1");
  TwoWaypoints gone(rules("reviews", to("ratings")));
  gone.pods["shop/right"].healthy = false;
  CHECK(gone.ask().ways.front().connection.reason ==
        "shop/left answers 503: no replica is ready of the waypoint 10.0.2.6:15008");
  CHECK(gone.ask().ways.front().behind.empty());
}

TEST_CASE("of very many ways as many are followed as the bound says, over all waypoints") {
  std::string many = "{route: [";
  for (int i = 0; i < 10; ++i) many += "{destination: {host: ratings}, weight: 1}, ";
  std::string back = "{route: [";
  for (int i = 0; i < 10; ++i) back += "{destination: {host: reviews}, weight: 1}, ";
  TwoWaypoints mesh(rules("reviews", many + "]}") + rules("ratings", back + "]}"));
  std::size_t followed = 0;
  std::size_t left_out = 0;
  const auto count = [&](const auto& self, const std::vector<Way>& ways) -> void {
    for (const auto& way : ways) {
      const bool told = way.connection.reason == "not followed: there are more than 64 ways";
      ++(told ? left_out : followed);
      for (const auto& behind : way.behind) self(self, behind.ways);
    }
  };
  const auto answer = mesh.ask();
  count(count, answer.ways);
  CHECK(followed == kMaxWays);
  CHECK(left_out > 0);
}
