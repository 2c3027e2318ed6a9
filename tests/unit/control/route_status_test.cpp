// What control says of routing objects: in force, or why not.
#include "route_status.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "culvert/config/object_store.hpp"

using namespace culvert;
using namespace culvert::control;

namespace {

const std::string kGateway = R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
)";
const std::string kEdge = R"(---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
)";
const std::string kEdgePod = R"(---
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: shop, labels: {istio: ingressgateway}}
spec: {nodeName: n1, containers: [{name: c}]}
status: {podIP: 10.0.0.9}
)";

std::string service_with(const std::string& name, const std::string& waypoint) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: shop, labels: {" +
         (waypoint.empty() ? "" : "istio.io/use-waypoint: " + waypoint) +
         "}}\nspec: {clusterIP: 10.96.0.1, selector: {app: " + name + "}, ports: [{port: 80}]}\n";
}

std::string service(const std::string& name, bool waypoint) {
  return service_with(name, waypoint ? "wp" : "");
}

std::string virtual_service(const std::string& name, const std::string& more,
                            const std::string& to = "web") {
  return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: {" + more + ", http: [{route: [{destination: {host: " + to +
         "}}]}]}\n";
}

std::string destination_rule(const std::string& name, const std::string& host) {
  return "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " +
         name + ", namespace: shop}\nspec: {host: \"" + host + "\"}\n";
}

/// A control that is told one state after the other.
class Lab {
 public:
  Lab() : status_(CompileSettings()) {}
  void load(const std::string& yaml) {
    const auto report = store_.load({config::parse_file("f.yaml", yaml)});
    for (const auto& d : report.diagnostics) MESSAGE(d.to_string());
    const auto compiled = compile(*store_.objects(), CompileSettings(), store_.refused());
    conditions_ = status_.update(*store_.objects(), compiled.resources);
  }
  config::Condition of(const std::string& kind, const std::string& name) const {
    const auto found = std::ranges::find_if(
        conditions_, [&](const auto& c) { return c.object.kind == kind && c.object.name == name; });
    REQUIRE(found != conditions_.end());
    CHECK(found->type == "WaypointAccepted");
    return *found;
  }

 private:
  config::ObjectStore store_;
  RouteStatus status_;
  config::Conditions conditions_;
};

}  // namespace

TEST_CASE("a VirtualService is in force where its host has a waypoint, and follows what changes") {
  Lab lab;
  const auto object = virtual_service("a", "hosts: [web]");
  lab.load(object + service("web", false) + kGateway);
  CHECK(lab.of("VirtualService", "a").reason == "NotServed");
  lab.load(object + service("web", true) + kGateway);
  CHECK(lab.of("VirtualService", "a").status);
  CHECK(lab.of("VirtualService", "a").message ==
        "1 of 1 matches for web.shop.svc.cluster.local at mesh");
  lab.load(object + kGateway);
  CHECK(lab.of("VirtualService", "a").reason == "NotServed");
  lab.load(object + service("web", true) + kGateway +
           virtual_service("0-first", "hosts: [web.shop.svc.cluster.local]"));
  CHECK(lab.of("VirtualService", "a").reason == "NotInForce");
  CHECK(lab.of("VirtualService", "a").message.find("stand behind shop/0-first") !=
        std::string::npos);
  lab.load(object + service("web", true) + kGateway);
  CHECK(lab.of("VirtualService", "a").reason == "InForce");
}

TEST_CASE("a wildcard host is served where any service that it covers is") {
  Lab lab;
  lab.load(virtual_service("a", "hosts: [\"*.shop.svc.cluster.local\"]") + service("web", true) +
           service("other", false) + kGateway);
  CHECK(lab.of("VirtualService", "a").status);
  lab.load(virtual_service("a", "hosts: [\"*.other.svc.cluster.local\"]") + service("web", true) +
           kGateway);
  CHECK_FALSE(lab.of("VirtualService", "a").status);
}

TEST_CASE("a destination that nobody has is told") {
  Lab lab;
  lab.load(virtual_service("a", "hosts: [web]", "gone") + service("web", true) + kGateway);
  CHECK(lab.of("VirtualService", "a").message.find("there is no host gone.shop") !=
        std::string::npos);
}

TEST_CASE("a VirtualService of a gateway is served by the gateway's pods, and only by them") {
  Lab lab;
  const auto object = virtual_service("a", "hosts: [\"*\"], gateways: [front]");
  lab.load(object + service("web", true) + kGateway + kEdge);
  CHECK(lab.of("VirtualService", "a").reason == "NotServed");
  CHECK(lab.of("Gateway", "front").reason == "NoPods");
  lab.load(object + service("web", false) + kEdge + kEdgePod);
  CHECK(lab.of("VirtualService", "a").status);
  CHECK(lab.of("Gateway", "front").message == "served by shop/edge-1");
}

TEST_CASE("a DestinationRule counts for the services of its host") {
  Lab lab;
  const auto rules = destination_rule("one", "web") + destination_rule("none", "gone") +
                     destination_rule("all", "*.shop.svc.cluster.local");
  lab.load(rules + service("web", false));
  CHECK(lab.of("DestinationRule", "one").reason == "NotServed");
  CHECK(lab.of("DestinationRule", "none").reason == "HostUnknown");
  lab.load(rules + service("web", true) + service("other", false) + kGateway);
  CHECK(lab.of("DestinationRule", "one").reason == "InForce");
  CHECK(lab.of("DestinationRule", "all").message ==
        "for other.shop.svc.cluster.local; web.shop.svc.cluster.local");
}

TEST_CASE("a subset that an edge's rule names of a service behind a waypoint is told by name") {
  Lab lab;
  const auto rule = [](const std::string& more) {
    return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, "
           "namespace: shop}\nspec: {hosts: [\"*\"], gateways: [front], http: [{route: "
           "[{destination: "
           "{host: web" +
           more + "}}]}]}\n";
  };
  const auto subsets =
      "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, "
      "namespace: shop}\nspec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}\n";
  const auto rest = subsets + std::string(kEdge) + kEdgePod + kGateway;
  lab.load(rule(", subset: v1") + service("web", true) + rest);
  CHECK(lab.of("VirtualService", "a").reason == "SubsetBehindWaypoint");
  CHECK_FALSE(lab.of("VirtualService", "a").status);
  CHECK(lab.of("VirtualService", "a").message.find("v1 of web.shop.svc.cluster.local") !=
        std::string::npos);
  lab.load(rule(", subset: v1") + service("web", false) + rest);
  CHECK(lab.of("VirtualService", "a").status);
  lab.load(rule("") + service("web", true) + rest);
  CHECK(lab.of("VirtualService", "a").status);
}

TEST_CASE("a subset is told only of rules that an edge may meet, and only where there is an edge") {
  Lab lab;
  const auto rules = [](const std::string& gateway) {
    return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, "
           "namespace: shop}\nspec: {hosts: [web], gateways: [front, mesh], http: [{match: "
           "[{gateways: [" +
           gateway +
           "]}], route: [{destination: {host: web, subset: v1}}]}, "
           "{route: [{destination: {host: web}}]}]}\n";
  };
  const auto subsets =
      "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, "
      "namespace: shop}\nspec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}\n";
  const auto rest = subsets + service("web", true) + kGateway;
  for (const auto* gateway : {"front", "shop/front"}) {
    lab.load(rules(gateway) + rest + kEdge + kEdgePod);
    CHECK(lab.of("VirtualService", "a").reason == "SubsetBehindWaypoint");
    lab.load(rules(gateway) + rest + kEdge);
    CHECK(lab.of("VirtualService", "a").reason == "InForce");
    lab.load(rules(gateway) + rest);
    CHECK(lab.of("VirtualService", "a").reason == "InForce");
  }
  lab.load(rules("mesh") + rest + kEdge + kEdgePod);
  CHECK(lab.of("VirtualService", "a").reason == "InForce");
}

namespace {

std::string gateway(const std::string& name, const std::string& for_what = "service") {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " + name +
         ", namespace: shop, labels: {istio.io/waypoint-for: " + for_what +
         "}}\nspec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, "
         "protocol: HBONE}]}\n";
}
std::string pod_with(const std::string& name, const std::string& waypoint) {
  return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
         "-1, namespace: shop, labels: {app: " + name +
         (waypoint.empty() ? "" : ", istio.io/use-waypoint: " + waypoint) +
         "}}\nspec: {nodeName: n1, containers: [{name: c}]}\nstatus: {podIP: 10.0.0.8}\n";
}
std::string near_to(const std::string& http) {
  return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, "
         "namespace: shop}\nspec: {hosts: [near], http: [" +
         http + "]}\n";
}
const std::string kSubsetsOfFar =
    "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: far, "
    "namespace: shop}\nspec: {host: far, subsets: [{name: v1, labels: {version: v1}}]}\n" +
    gateway("left") + gateway("right") + gateway("pods", "workload");
const std::string kToSubset = "{route: [{destination: {host: far, subset: v1}}]}";

}  // namespace

TEST_CASE("a subset of a service that another waypoint is before is told, as long as it is") {
  Lab lab;
  const auto reason = [&](const std::string& near, const std::string& far,
                          const std::string& more = "") {
    lab.load(near_to(kToSubset) + service_with("near", near) + service_with("far", far) +
             kSubsetsOfFar + more);
    return lab.of("VirtualService", "a").reason;
  };
  CHECK(reason("left", "right") == "SubsetBehindWaypoint");
  CHECK(lab.of("VirtualService", "a").message ==
        "spec.http[0].route[0].destination.subset (v1 of far.shop.svc.cluster.local) is answered "
        "503 at shop/left.shop.svc.cluster.local: a service's waypoint cannot be told of a subset, "
        "and chooses by the rules of mesh; 1 of 1 matches for near.shop.svc.cluster.local at mesh");
  // Whose waypoint it is may change on either side.
  CHECK(reason("right", "right") == "InForce");
  CHECK(reason("right", "left") == "SubsetBehindWaypoint");
  CHECK(reason("right", "") == "InForce");
  CHECK(reason("right", "left") == "SubsetBehindWaypoint");
  CHECK(reason("", "left") == "NotServed");
  // Nobody of the services goes; it is a waypoint of the pods' own that asks the rules.
  CHECK(reason("left", "left", pod_with("near", "pods")) == "SubsetBehindWaypoint");
  CHECK(lab.of("VirtualService", "a").message.find("503 at shop/pods.shop.svc") !=
        std::string::npos);
  CHECK(reason("left", "left", pod_with("near", "")) == "InForce");
  CHECK(reason("left", "left", pod_with("near", "pods")) == "SubsetBehindWaypoint");
  CHECK(reason("left", "left") == "InForce");
}

TEST_CASE("each field that names such a subset is told, mirrors too, and no other") {
  Lab lab;
  lab.load(
      near_to("{match: [{uri: {prefix: /a}}], mirrors: [{destination: {host: near}}, "
              "{destination: {host: far, subset: v1}}], route: [{destination: {host: far}}]}, " +
              kToSubset) +
      service_with("near", "left") + service_with("far", "right") + kSubsetsOfFar);
  const auto said = lab.of("VirtualService", "a");
  CHECK_FALSE(said.status);
  CHECK(said.message.starts_with(
      "spec.http[0].mirrors[1].destination.subset (v1 of far.shop.svc.cluster.local) is not "
      "mirrored at shop/left.shop.svc.cluster.local; spec.http[1].route[0].destination.subset (v1 "
      "of far.shop.svc.cluster.local) is answered 503 at shop/left.shop.svc.cluster.local: a "));
  lab.load(near_to("{mirror: {host: far, subset: v1}, route: [{destination: {host: near}}]}") +
           service_with("near", "left") + service_with("far", "right") + kSubsetsOfFar);
  CHECK(lab.of("VirtualService", "a").message.starts_with("spec.http[0].mirror.subset (v1 of "));
}
