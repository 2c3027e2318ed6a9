// Each way that a connection can go, and what it is said to see.
#include "culvert/explain/explain.hpp"

#include <doctest/doctest.h>

#include "culvert/explain/words.hpp"
#include "small_mesh.hpp"

using namespace culvert;
using namespace culvert::explain;
using testing::SmallMesh;
using Action = mesh::Policy::Action;
using Scope = mesh::Policy::Scope;

namespace {

mesh::Match from_namespace(const char* ns) {
  mesh::Match m;
  m.namespaces.push_back({mesh::StringMatch::Kind::kExact, ns});
  return m;
}

}  // namespace

TEST_CASE("two pods of one node are joined, or encrypted where that is chosen") {
  const auto joined = SmallMesh().explain("shop/web", "10.0.1.2:8080");
  CHECK(joined.captured);
  REQUIRE(joined.branches.size() == 1);
  CHECK(joined.branches[0].path == Path::kJoined);
  CHECK_FALSE(joined.branches[0].arrival);
  CHECK(joined.outcome == Outcome::kAnswered);
  const auto encrypted = SmallMesh().explain("shop/web", "10.0.1.2:8080", false);
  CHECK(encrypted.branches[0].path == Path::kTunnel);
  CHECK(encrypted.branches[0].arrival == CV_STEERED_HBONE);
}

TEST_CASE("a pod that its own service leads back to is joined to itself, whatever is chosen") {
  SmallMesh mesh;
  mesh.pods["shop/cart"].healthy = false;
  const auto e = mesh.explain("shop/web", "10.96.0.1:80", false);
  REQUIRE(e.branches.size() == 1);
  CHECK(e.branches[0].route.to_self);
  CHECK(e.branches[0].path == Path::kJoined);
  CHECK(e.outcome == Outcome::kAnswered);
}

TEST_CASE("another node is reached by tunnel, with the source's identity") {
  const auto e = SmallMesh().explain("shop/web", "10.0.2.2:8080");
  REQUIRE(e.branches.size() == 1);
  CHECK(e.branches[0].path == Path::kTunnel);
  CHECK(e.branches[0].asked->source->to_string() == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(e.branches[0].asked->source_ip == testing::ip("10.0.1.1"));
  CHECK(e.flag == "-");
}

TEST_CASE("a service leads to each of its ready endpoints in turn") {
  SmallMesh mesh;
  const auto both = mesh.explain("bank/vault", "10.96.0.1:80");
  REQUIRE(both.branches.size() == 2);
  CHECK(both.branches[0].route.target.port == 8080);
  CHECK(both.service->name == "front");
  mesh.pods["shop/web"].healthy = false;
  CHECK(mesh.explain("bank/vault", "10.96.0.1:80").branches.size() == 1);
  mesh.pods["shop/cart"].healthy = false;
  const auto none = mesh.explain("bank/vault", "10.96.0.1:80");
  CHECK(none.branches.empty());
  CHECK(none.outcome == Outcome::kReset);
  CHECK(none.flag == "CONNECT");
  CHECK(mesh.explain("bank/vault", "10.96.0.1:81").unroutable->code == ErrorCode::kInvalid);
}

TEST_CASE("what is behind a waypoint is reached through it, and refuses who comes past it") {
  SmallMesh mesh;
  mesh.services.front().waypoint =
      mesh::GatewayAddress{mesh::NetworkAddress{"", testing::ip("10.0.2.3")}, mesh::kHbonePort};
  const auto by_vip = mesh.explain("bank/vault", "10.96.0.1:80");
  REQUIRE(by_vip.branches.size() == 1);
  CHECK(by_vip.branches[0].route.via_waypoint);
  CHECK(by_vip.outcome == Outcome::kAnswered);
  for (const char* from : {"bank/vault", "shop/stock", "wild/outside"}) {
    const auto past = mesh.explain(from, "10.0.1.1:8080");
    const bool is_waypoint = from == std::string("wild/outside");  // in plaintext here: refused too
    CHECK(past.outcome == Outcome::kReset);
    CHECK(past.flag == "DENY");
    CHECK(past.reason.starts_with("only its waypoint is admitted: 10.0.2.3"));
    CHECK(past.branches[0].policies.empty());
    CHECK(past.branches[0].asked->source.has_value() != is_waypoint);
  }
  CHECK(mesh.explain("bank/vault", "10.0.1.1:9090").outcome == Outcome::kAnswered);
  mesh.pods["wild/outside"].healthy = false;
  const auto gone = mesh.explain("bank/vault", "10.96.0.1:80");
  CHECK(gone.unroutable->code == ErrorCode::kNoUpstream);
  const auto now = mesh.snapshot();
  const Question question{*now, now->workload_named("bank", "vault"),
                          *SocketAddress::parse("10.96.0.1:80"),
                          mesh.capture_of(*now->workload_named("bank", "vault")),
                          [&](const mesh::Workload& w) { return mesh.capture_of(w); }};
  bool told = false;
  for (const Step& step : in_words(question, gone)) {
    told = told || (step.name == "waypoint" &&
                    step.text.find("wild/outside (not ready)") != std::string::npos);
  }
  CHECK(told);
}

TEST_CASE("a waypoint's own policies are asked, and what each behind it says of the client") {
  SmallMesh mesh;
  mesh.services.front().waypoint =
      mesh::GatewayAddress{mesh::NetworkAddress{"", testing::ip("10.0.2.3")}, mesh::kHbonePort};
  const auto ask = [&] { return mesh.explain("bank/vault", "10.96.0.1:80"); };
  const auto deny = [&](const std::string& pod, const std::string& name) {
    mesh.pods[pod].policies.push_back("shop/" + name);
    mesh.policies.push_back(
        testing::policy(Action::kDeny, Scope::kWorkload, "shop", name, from_namespace("bank")));
  };
  REQUIRE(ask().branches[0].behind.size() == 2);
  for (const auto& one : ask().branches[0].behind) CHECK(one.verdict.allowed);
  deny("shop/web", "web");
  CHECK(ask().outcome == Outcome::kUnknown);  // whose turn it is
  deny("shop/cart", "cart");
  CHECK(ask().outcome == Outcome::kReset);
  CHECK(ask().flag == "DENY");
  for (const auto& one : ask().branches[0].behind) CHECK_FALSE(one.verdict.policy.empty());
  // The waypoint itself answers HTTP, whatever is behind it.
  mesh.services.front().ports.front().protocol = mesh::AppProtocol::kHttp11;
  CHECK(ask().outcome == Outcome::kAnswered);
  deny("wild/outside", "own");
  CHECK(ask().outcome == Outcome::kReset);
  CHECK(ask().reason == "the waypoint's own policies refuse it: denied by policy shop/own");
  CHECK(ask().branches[0].behind.empty());
}

TEST_CASE(
    "a pod's port behind its own waypoint is what its namespace's services declare, all ports") {
  SmallMesh mesh;
  auto& web = mesh.pods["shop/web"];
  web.waypoint =
      mesh::GatewayAddress{mesh::NetworkAddress{"", testing::ip("10.0.2.3")}, mesh::kHbonePort};
  web.services = {{"bank/other.example", {{80, 8080}}}};
  web.policies.push_back("shop/web");
  mesh.policies.push_back(
      testing::policy(Action::kDeny, Scope::kWorkload, "shop", "web", from_namespace("bank")));
  auto other = testing::service("bank", "other", nullptr, 80, 8080);
  other.hostname = "other.example";
  other.ports.front().protocol = mesh::AppProtocol::kHttp11;
  mesh.services.push_back(std::move(other));
  const auto ask = [&] { return mesh.explain("bank/vault", "10.0.1.1:8080").outcome; };
  CHECK(ask() == Outcome::kReset);  // what another namespace says of it is nothing
  web.services["shop/front.shop.svc.cluster.local"] = {{80, 8080}, {81, 8080}};
  mesh.services.front().ports = {{80, 8080, mesh::AppProtocol::kUnknown},
                                 {81, 8080, mesh::AppProtocol::kHttp11}};
  CHECK(ask() == Outcome::kAnswered);
}

TEST_CASE("endpoints that end differently are said to") {
  SmallMesh mesh;
  mesh.pods["shop/web"].policies.push_back("shop/no");
  mesh.policies.push_back(
      testing::policy(Action::kDeny, Scope::kWorkload, "shop", "no", from_namespace("bank")));
  const auto e = mesh.explain("bank/vault", "10.96.0.1:80");
  CHECK(e.outcome == Outcome::kUnknown);
  CHECK(e.flag == "varies");
}

TEST_CASE("the policy that decides is named, and those that were looked at") {
  SmallMesh mesh;
  mesh.policies.push_back(
      testing::policy(Action::kAllow, Scope::kNamespace, "bank", "own", from_namespace("bank")));
  mesh.policies.push_back(
      testing::policy(Action::kDeny, Scope::kNamespace, "bank", "wild", from_namespace("wild")));
  const auto e = mesh.explain("shop/web", "10.0.2.2:8080");
  CHECK(e.outcome == Outcome::kReset);
  CHECK(e.flag == "DENY");
  REQUIRE(e.branches[0].policies.size() == 2);
  CHECK_FALSE(e.branches[0].policies[0].matches);
  CHECK(e.branches[0].verdict->policy == "bank/own");
}

TEST_CASE("a pod outside the mesh arrives in plain, without an identity") {
  SmallMesh mesh;
  mesh.policies.push_back(
      testing::policy(Action::kAllow, Scope::kNamespace, "bank", "some", from_namespace("*")));
  const auto e = mesh.explain("wild/outside", "10.0.2.2:8080");
  CHECK_FALSE(e.captured);
  CHECK_FALSE(e.connect);
  REQUIRE(e.branches.size() == 1);
  CHECK(e.branches[0].path == Path::kDirect);
  CHECK(e.branches[0].arrival == CV_STEERED_PLAINTEXT);
  CHECK_FALSE(e.branches[0].asked->source);
  CHECK(e.outcome == Outcome::kReset);
  CHECK(mesh.explain("wild/outside", "10.0.2.2:15008").flag == "TLS_FAILURE");
  CHECK(mesh.explain("wild/outside", "10.0.2.2:15008").outcome == Outcome::kClosed);
  CHECK(mesh.explain("wild/outside", "10.96.0.1:80").outcome == Outcome::kUnknown);
}

TEST_CASE("a pod outside the mesh is reached in plain, and nobody is asked") {
  const auto e = SmallMesh().explain("shop/web", "10.0.2.3:8080");
  CHECK(e.captured);
  CHECK(e.branches[0].path == Path::kPlain);
  CHECK(e.outcome == Outcome::kAnswered);
  CHECK_FALSE(e.branches[0].asked);
  const auto unknown = SmallMesh().explain("shop/web", "192.0.2.1:80");
  CHECK(unknown.branches[0].path == Path::kPlain);
  CHECK(unknown.outcome == Outcome::kUnknown);
}

TEST_CASE("what the hooks leave alone stays outside") {
  SmallMesh mesh;
  CHECK(mesh.explain("shop/web", "127.0.0.1:80").branches[0].path == Path::kLocal);
  CHECK(mesh.explain("shop/web", "10.0.1.1:80").connect == CV_CONNECT_OWN_ADDRESS);
  auto excluding = mesh.capture_of(mesh.pods["shop/web"]);
  excluding.excluded_ranges.push_back(*IpPrefix::parse("10.0.2.0/24"));
  excluding.excluded_ports.push_back(25);
  mesh.captures["shop/web"] = excluding;
  const auto e = mesh.explain("shop/web", "10.0.2.2:8080");
  CHECK(e.connect == CV_CONNECT_EXCLUDED_RANGE);
  CHECK(e.branches[0].path == Path::kDirect);
  CHECK(e.branches[0].arrival == CV_STEERED_PLAINTEXT);
  CHECK(mesh.explain("shop/web", "10.0.1.2:25").connect == CV_CONNECT_EXCLUDED_PORT);
}

TEST_CASE("refusals of the connect hook are what connect() returns") {
  SmallMesh mesh;
  CHECK(mesh.explain("bank/vault", "[fd00:1::1]:80").outcome == Outcome::kUnreachable);
  CHECK(mesh.explain("shop/web", "10.0.1.1:288").outcome == Outcome::kRefused);
  auto incomplete = mesh.capture_of(mesh.pods["shop/web"]);
  incomplete.ready = false;
  mesh.captures["shop/web"] = incomplete;
  const auto e = mesh.explain("shop/web", "10.0.2.2:8080");
  CHECK(e.outcome == Outcome::kRefused);
  CHECK(e.connect == CV_REFUSED_NOT_READY);
}

TEST_CASE("without ztunnel's listeners connections are refused at either end") {
  SmallMesh mesh;
  auto alone = mesh.capture_of(mesh.pods["bank/vault"]);
  alone.listeners = false;
  mesh.captures["bank/vault"] = alone;
  CHECK(mesh.explain("shop/web", "10.0.2.2:80").flag == "CONNECT");
  CHECK(mesh.explain("wild/outside", "10.0.2.2:80").outcome == Outcome::kRefused);
  CHECK(mesh.explain("bank/vault", "10.0.1.1:80").outcome == Outcome::kRefused);
}

TEST_CASE("ports that no application can serve") {
  CHECK(SmallMesh().explain("shop/web", "10.0.2.2:15008").outcome == Outcome::kReset);
  const auto block = SmallMesh().explain("shop/web", "10.0.2.2:290");
  CHECK(block.branches[0].delivery == CV_STEERED_OUTBOUND);
  CHECK(block.outcome == Outcome::kReset);
}

TEST_CASE("a port in plaintext is reached in plain, and policies see nobody") {
  SmallMesh mesh;
  mesh.pods["bank/vault"].plaintext_ports.push_back(9090);
  CHECK(mesh.explain("shop/web", "10.0.2.2:8080").branches[0].path == Path::kTunnel);
  const auto e = mesh.explain("shop/web", "10.0.2.2:9090");
  CHECK(e.branches[0].path == Path::kPlain);
  CHECK_FALSE(e.branches[0].asked->source);
}

TEST_CASE("the words go from the hook to the decision, each with its objects") {
  SmallMesh mesh;
  mesh.policies.push_back(
      testing::policy(Action::kDeny, Scope::kNamespace, "shop", "no", from_namespace("bank")));
  const auto now = mesh.snapshot();
  const auto source = now->workload_named("bank", "vault");
  const Question q{*now,
                   source,
                   *SocketAddress::parse("10.96.0.1:80"),
                   mesh.capture_of(*source),
                   [&](const mesh::Workload& w) { return mesh.capture_of(w); },
                   true};
  const auto steps = in_words(q, explain::explain(q));
  std::string names;
  for (const auto& step : steps) names += step.name + (step.endpoint.empty() ? " " : "@ ");
  // shop/cart is on the source's node: joined, so that nothing arrives from the network.
  CHECK(names ==
        "capture destination endpoints path@ identity@ policy@ decision@ "
        "path@ arrival@ identity@ policy@ decision@ ");
  CHECK(steps[0].objects[0] == ObjectRef{"Pod", "bank", "vault"});
  CHECK(steps[2].text == "2 of 2 ready: shop/cart, shop/web; they take turns");
  CHECK(steps[5].text == "DENY shop/no matches, and decides");
  CHECK(steps[6].text == "refused by shop/no");
  CHECK(steps[6].objects[0] == ObjectRef{"Policy", "shop", "no"});
}
