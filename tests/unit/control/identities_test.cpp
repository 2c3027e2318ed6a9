// Who may be certified where, and what a certificate request is judged by.
#include "identities.hpp"

#include <doctest/doctest.h>

#include "certificate_service.hpp"
#include "culvert/config/object_store.hpp"
#include "culvert/xds/certificate_messages.hpp"
#include "peers.hpp"

using namespace culvert;
using namespace culvert::control;

namespace {

constexpr const char* kMesh = R"(
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
)";

std::string pod(const std::string& name, const std::string& spec,
                const std::string& redirection = "enabled", const std::string& phase = "Running") {
  return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
         ", namespace: shop, annotations: {ambient.istio.io/redirection: " + redirection +
         "}}\nspec: {" + spec + ", containers: [{name: c, image: i}]}\nstatus: {phase: " + phase +
         "}\n";
}

IdentitiesByPeer identities(const std::string& pods) {
  config::ObjectStore store;
  const auto report = store.load({config::parse_file("mesh.yaml", kMesh + pods)});
  for (const Diagnostic& d : report.diagnostics) MESSAGE(d.to_string());
  REQUIRE(report.diagnostics.empty());
  return identities_by_peer(*store.objects(), "td");
}

using Set = std::set<std::string>;

}  // namespace

TEST_CASE("a node has the identities of its own meshed pods, each once") {
  const auto found =
      identities(pod("a", "nodeName: n1, serviceAccountName: web") +
                 pod("b", "nodeName: n1, serviceAccountName: web") + pod("c", "nodeName: n1") +
                 pod("d", "nodeName: n2, serviceAccountName: db"));
  CHECK(found.at("n1") == Set{"spiffe://td/ns/shop/sa/default", "spiffe://td/ns/shop/sa/web"});
  CHECK(found.at("n2") == Set{"spiffe://td/ns/shop/sa/db"});
}

TEST_CASE("pods of a waypoint and those that a Gateway selects have their own identity, alone") {
  const auto labelled = [](const std::string& name, const std::string& label) {
    return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
           ", namespace: shop, labels: {" + label +
           "}}\nspec: {nodeName: n1, serviceAccountName: " + name + ", containers: [{name: c}]}\n";
  };
  const std::string gateways = R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
)";
  const auto pods = pod("web", "nodeName: n1, serviceAccountName: web") +
                    labelled("wp", "gateway.networking.k8s.io/gateway-name: wp") +
                    labelled("pretender", "gateway.networking.k8s.io/gateway-name: no-such") +
                    labelled("edge", "istio: ingressgateway") + labelled("other", "istio: egress");
  CHECK(identities(gateways + pods) ==
        IdentitiesByPeer{{"n1", {"spiffe://td/ns/shop/sa/web"}},
                         {"n2", {}},
                         {"pod/shop/edge", {"spiffe://td/ns/shop/sa/edge"}},
                         {"pod/shop/wp", {"spiffe://td/ns/shop/sa/wp"}}});
  CHECK(identities(pods) == IdentitiesByPeer{{"n1", {"spiffe://td/ns/shop/sa/web"}}, {"n2", {}}});
  // A pod that says itself that it runs our proxy is an edge, whoever's Gateway selects it.
  const auto runs = [](const std::string& image, const std::string& label) {
    return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {" +
           label +
           "}}\nspec: {nodeName: n1, serviceAccountName: a, containers: [{name: c, image: \"" +
           image + "\"}]}\n";
  };
  CHECK(identities(runs("r.example:5000/x/culvert-waypoint:1", "istio: in")).at("pod/shop/a") ==
        Set{"spiffe://td/ns/shop/sa/a"});
  const IdentitiesByPeer none{{"n1", {}}, {"n2", {}}};
  CHECK(identities(runs("nginx", "istio: in")) == none);
  CHECK(identities(runs("culvert-waypoint", "gateway.networking.k8s.io/gateway-name: none")) ==
        none);
}

TEST_CASE(
    "pods that are not meshed, have ended, share the node's network or have no such node do not "
    "count") {
  const auto found = identities(
      pod("a", "nodeName: n1", "disabled") + pod("b", "nodeName: n1", "enabled", "Succeeded") +
      pod("c", "nodeName: n1", "enabled", "Failed") + pod("d", "nodeName: n1, hostNetwork: true") +
      pod("e", "serviceAccountName: x") + pod("f", "nodeName: n3"));
  CHECK(found == IdentitiesByPeer{{"n1", {}}, {"n2", {}}});
}

TEST_CASE("a certificate is ordered only by the node that the identity's pod runs on") {
  View view;
  view.identities = identities(pod("a", "nodeName: n1, serviceAccountName: web"));
  const std::string web = "spiffe://td/ns/shop/sa/web";
  const std::string request =
      xds::serialize(xds::CertificateRequest{"csr", std::chrono::hours(1), web});
  const auto order = judge_request(request, "n1", view);
  REQUIRE(order.has_value());
  CHECK(order->identity == web);
  CHECK(order->csr == "csr");
  CHECK(order->lifetime == std::chrono::hours(1));
  for (const char* node : {"n2", "n3", ""}) {
    CHECK(judge_request(request, node, view).error().code == grpc::StatusCode::kPermissionDenied);
  }
}

TEST_CASE("a proxy orders its own certificate by its own socket, and nobody else's") {
  View view;
  const std::string own = "spiffe://td/ns/shop/sa/wp", web = "spiffe://td/ns/shop/sa/web";
  view.identities = {{"n1", {web}}, {"pod/shop/wp", {own}}, {"pod/shop/other", {web}}};
  const auto asked = [&](const std::string& identity, const char* peer) {
    return judge_request(
        xds::serialize(xds::CertificateRequest{"csr", std::chrono::hours(1), identity}), peer,
        view);
  };
  CHECK(asked(own, "pod/shop/wp")->identity == own);
  for (const auto& [identity, peer] :
       {std::pair{web, "pod/shop/wp"}, {own, "n1"}, {own, "pod/shop/other"}, {own, "shop/wp"}}) {
    CAPTURE(peer);
    REQUIRE_FALSE(asked(identity, peer));
    CHECK(asked(identity, peer).error().code == grpc::StatusCode::kPermissionDenied);
  }
  CHECK(asked(web, "pod/shop/wp").error().message == "pod shop/wp has not the identity " + web);
}

TEST_CASE("a peer is known by its socket, whose path fits however long the names are") {
  CHECK(socket_path("/s", "n1") == "/s/n1.sock");
  CHECK(socket_path("/s", proxy_peer("shop", "wp-1")) == "/s/pods/shop_wp-1/control.sock");
  const std::string name(200, 'a');
  const auto path = socket_path("/s", proxy_peer("shop", name));
  CHECK(path.size() < 50);
  CHECK(path != socket_path("/s", proxy_peer("shop", name + "b")));
  CHECK(namespace_of(proxy_peer("shop", "wp-1")) == "shop");
  CHECK(in_words(proxy_peer("shop", "wp-1")) == "pod shop/wp-1");
  CHECK(in_words("n1") == "node n1");
  CHECK_FALSE(is_proxy("n1"));
}

TEST_CASE(
    "a request without identity is denied, one with a negative lifetime or of other bytes is "
    "invalid") {
  View view;
  view.identities = identities(pod("a", "nodeName: n1, serviceAccountName: web"));
  const auto code = [&](const std::string& bytes) {
    return judge_request(bytes, "n1", view).error().code;
  };
  CHECK(code("") == grpc::StatusCode::kPermissionDenied);
  CHECK(code("\xff\xff") == grpc::StatusCode::kInvalidArgument);
  CHECK(code(xds::serialize(xds::CertificateRequest{"csr", std::chrono::seconds(-1),
                                                    "spiffe://td/ns/shop/sa/web"})) ==
        grpc::StatusCode::kInvalidArgument);
}
