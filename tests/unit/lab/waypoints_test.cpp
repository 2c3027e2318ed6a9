// Gateways into pods, and which pod is an edge of which Gateway.
#include "lab/waypoints.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "culvert/config/waypoint_names.hpp"
#include "lab/expand.hpp"
#include "lab/objects.hpp"

using namespace culvert;
using namespace culvert::lab;

namespace {

Manifest manifest(const std::string& yaml) {
  Manifest out = read_manifest({{"f.yaml", "/tmp", yaml}});
  for (const auto& d : out.problems) MESSAGE(d.to_string());
  return out;
}

std::string gateway(const std::string& annotations = "",
                    const std::string& class_name = "culvert-waypoint") {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: wp, "
         "namespace: shop, annotations: {" +
         annotations + "}}\nspec: {gatewayClassName: " + class_name +
         ", listeners: [{name: mesh, port: 15008, protocol: HBONE}]}\n";
}

std::string edge(const std::string& name, int port = 80) {
  return "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: {selector: {istio: ingressgateway}, servers: [{port: "
         "{number: " +
         std::to_string(port) + ", name: http, protocol: HTTP}, hosts: [\"*\"]}]}\n";
}

constexpr const char* kEdgePod =
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: front, namespace: shop, labels: {istio: "
    "ingressgateway}}\nspec: {containers: [{name: proxy, image: "
    "\"registry.example/culvert-waypoint:1.0\"}]}\n";

std::vector<std::string> names(const std::vector<Pod>& pods) {
  std::vector<std::string> out;
  for (const Pod& pod : pods) out.push_back(pod.key());
  return out;
}

}  // namespace

TEST_CASE("a waypoint's Gateway becomes its replicas and a Service that selects them") {
  auto wanted = manifest(gateway("culvert.io/replicas: \"2\""));
  REQUIRE(wanted.problems.empty());
  add_waypoints(wanted, {}, true);
  CHECK(names(wanted.pods) == std::vector<std::string>{"shop/wp-1", "shop/wp-2"});
  const Pod& pod = wanted.pods[0];
  CHECK(pod.service_account == "wp");
  CHECK(pod.owner == "wp");
  CHECK(pod.labels.at("gateway.networking.k8s.io/gateway-name") == "wp");
  CHECK(pod.labels.at("istio.io/dataplane-mode") == "none");
  CHECK(is_waypoint(pod));
  REQUIRE(pod.containers.size() == 1);
  CHECK(pod.containers[0].waypoint);
  REQUIRE(pod.containers[0].readiness);
  CHECK(pod.containers[0].readiness->port == "15021");
  CHECK(membership_of(pod, {{"shop", {{"istio.io/dataplane-mode", "ambient"}}}}, true) ==
        Membership::kWaypoint);
  REQUIRE(wanted.services.size() == 1);
  CHECK(wanted.services[0].key() == "shop/wp");
  CHECK(wanted.services[0].selector == Labels{{"gateway.networking.k8s.io/gateway-name", "wp"}});
  CHECK(is_waypoint_service(wanted.services[0]));
}

TEST_CASE("a Service of the user's own stays, and a lab without the mesh runs no waypoints") {
  const std::string own =
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: wp, namespace: shop}\nspec: {selector: "
      "{gateway.networking.k8s.io/gateway-name: wp}, ports: [{port: 15008, name: mesh}, {port: 80, "
      "name: "
      "x}]}\n";
  auto wanted = manifest(gateway() + own);
  add_waypoints(wanted, {}, true);
  CHECK(wanted.services.size() == 1);
  CHECK(wanted.services[0].source.find("port: 80") != std::string::npos);
  auto plain = manifest(gateway() + edge("front") + kEdgePod);
  add_waypoints(plain, {}, false);
  CHECK(plain.pods.empty());
}

TEST_CASE("a wrong number of replicas is a problem of the manifest, at its place") {
  for (const char* text : {"\"-1\"", "\"two\"", "\"101\"", "\"1 \"", "\"\""}) {
    const auto wanted =
        read_manifest({{"f.yaml", "/tmp", gateway(std::string("culvert.io/replicas: ") + text)}});
    CAPTURE(text);
    REQUIRE(wanted.problems.size() == 1);
    CHECK(wanted.problems[0].field == "metadata.annotations['culvert.io/replicas']");
    CHECK(wanted.problems[0].line == 2);
  }
  auto none = manifest(gateway("culvert.io/replicas: \"0\""));
  add_waypoints(none, {}, true);
  CHECK(none.pods.empty());
  CHECK(none.services.size() == 1);
}

TEST_CASE("a Gateway of another class runs nothing until a GatewayClass makes it ours") {
  auto wanted = manifest(gateway("", "istio-waypoint"));
  add_waypoints(wanted, {}, true);
  CHECK(wanted.pods.empty());
  Placement running;
  remember_gateways(wanted, {}, running);
  const auto gateway_class = [](const std::string& controller) {
    return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: "
           "istio-waypoint}\nspec: {controllerName: " +
           controller + "}\n";
  };
  auto others = manifest(gateway_class("istio.io/mesh-controller"));
  add_waypoints(others, running, true);
  CHECK(others.pods.empty());
  auto ours = manifest(gateway_class("culvert.io/waypoint-controller"));
  add_waypoints(ours, running, true);
  CHECK(names(ours.pods) == std::vector<std::string>{"shop/wp-1"});
  CHECK(listed_waypoints(ours, running) == std::vector<std::string>{"shop/wp"});
  remember_gateways(ours, running, running);
  auto again = manifest(gateway("culvert.io/replicas: \"3\"", "istio-waypoint"));
  add_waypoints(again, running, true);
  CHECK(again.pods.size() == 3);
}

TEST_CASE("a pod of the image that is no waypoint's is an edge, whatever Gateways there are") {
  for (const auto& gateways : {edge("web", 8080) + edge("api", 9090), std::string()}) {
    auto wanted = manifest(gateways + kEdgePod);
    REQUIRE(wanted.problems.empty());
    CHECK_FALSE(is_waypoint(wanted.pods[0]));
    wanted.pods[0].ips = {*IpAddress::parse("10.0.0.9"), *IpAddress::parse("fd00::9")};
    wanted.pods[0].node = "n1";
    const auto flags = waypoint_flags(wanted.pods[0]);
    const auto has = [&](const std::string& name, const std::string& value) {
      for (std::size_t i = 0; i + 1 < flags.size(); ++i)
        if (flags[i] == name && flags[i + 1] == value) return true;
      return false;
    };
    CHECK(flags.back() == "--edge");
    CHECK(has("--pod-ip", "10.0.0.9"));
    CHECK(has("--pod-ip", "fd00::9"));
    CHECK(has("--name", "front"));
    CHECK(has("--service-account", "default"));
    CHECK(has("--control", "/run/culvert/control.sock"));
  }
  auto waypoint = manifest(gateway(""));
  add_waypoints(waypoint, {}, true);
  REQUIRE(waypoint.pods.size() == 1);
  const std::vector<std::string> flags = waypoint_flags(waypoint.pods[0]);
  CHECK(std::ranges::count(flags, "--edge") == 0);
}

TEST_CASE("only the image culvert-waypoint may go without a command") {
  CHECK(config::is_waypoint_image("culvert-waypoint"));
  CHECK(config::is_waypoint_image("a.example:5000/b/culvert-waypoint@sha256:00"));
  CHECK_FALSE(config::is_waypoint_image("culvert-waypoint-x"));
  CHECK_FALSE(config::is_waypoint_image("culvert-waypoint/other"));
  const auto other = read_manifest(
      {{"f.yaml", "/tmp",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: "
        "nginx}]}\n"}});
  CHECK(other.problems.size() == 1);
}

TEST_CASE("the two Gateways of one name are two objects") {
  const auto wanted = manifest(gateway() + edge("wp"));
  CHECK(wanted.problems.empty());
  REQUIRE(wanted.documents.size() == 2);
  CHECK(wanted.documents[0].key() == "KubernetesGateway shop/wp");
  CHECK(wanted.documents[1].key() == "Gateway shop/wp");
}
