// Which waypoint an object gets by its labels, its namespace's, and what the Gateway says.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/compile/compile.hpp"
#include "culvert/config/object_store.hpp"
#include "culvert/l7/compiler.hpp"
#include "culvert/l7/wire_object.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/xds/resources.hpp"

using namespace culvert;
using namespace culvert::control;

namespace {

Compiled compiled(const std::string& yaml, bool refusals = false) {
  config::ObjectStore store;
  const auto report = store.load({config::parse_file("f.yaml", yaml)});
  if (!refusals) {
    for (const auto& d : report.diagnostics) MESSAGE(d.to_string());
    REQUIRE(report.diagnostics.empty());
  }
  return compile(*store.objects(), CompileSettings(), store.refused());
}

mesh::SnapshotPtr mesh_of(const Compiled& c) {
  mesh::Delta delta;
  for (const auto& [name, resource] : c.resources.at(std::string(xds::kAddressType))) {
    auto address = xds::parse_address(resource.bytes, "cluster.local");
    REQUIRE(address);
    if (auto* w = std::get_if<mesh::Workload>(&*address)) {
      delta.workloads.push_back(*w);
    } else {
      delta.services.push_back(std::get<mesh::Service>(*address));
    }
  }
  return apply(mesh::Snapshot(), std::move(delta));
}

std::string gateway(const std::string& name, const std::string& labels = "",
                    const std::string& ns = "shop",
                    const std::string& class_name = "culvert-waypoint",
                    const std::string& listener = "") {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " + name +
         ", namespace: " + ns + ", labels: {" + labels +
         "}}\nspec:\n  gatewayClassName: " + class_name +
         "\n  listeners: [{name: mesh, port: 15008, protocol: HBONE" + listener + "}]\n";
}

std::string ns(const std::string& labels, const std::string& name = "shop") {
  return "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + ", labels: {" + labels +
         "}}\n";
}

std::string service(const std::string& labels, const std::string& name = "web") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: shop, labels: {" + labels +
         "}}\nspec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}\n";
}

std::string pod(const std::string& labels, const std::string& name = "web-1",
                const std::string& spec = "") {
  return "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name +
         "\n  namespace: shop\n  labels: {" + labels +
         "}\n  annotations: {ambient.istio.io/redirection: enabled}\nspec: {nodeName: n1, " + spec +
         "containers: [{name: c}]}\nstatus: {podIP: 10.0.0.1, conditions: [{type: Ready, "
         "status: \"True\"}]}\n";
}

/// "" when traffic goes without a waypoint.
std::string host_of(const std::optional<mesh::GatewayAddress>& waypoint) {
  if (!waypoint) return "";
  CHECK(waypoint->hbone_port == 15008);
  return std::get<std::string>(waypoint->destination);
}

struct Ends {
  std::string service, pod;
};
Ends ends(const std::string& yaml) {
  const auto snapshot = mesh_of(compiled(yaml));
  const auto s = snapshot->service("shop/web.shop.svc.cluster.local");
  const auto w = snapshot->workload_named("shop", "web-1");
  REQUIRE(s);
  REQUIRE(w);
  return {host_of(s->waypoint), host_of(w->waypoint)};
}

const config::Condition* condition(const Compiled& c, const std::string& kind,
                                   const std::string& name) {
  const auto found = std::ranges::find_if(c.conditions, [&](const auto& one) {
    return one.object.kind == kind && one.object.name == name;
  });
  return found == c.conditions.end() ? nullptr : &*found;
}

constexpr const char* kUse = "istio.io/use-waypoint: ";
const std::string kWp = "shop/wp.shop.svc.cluster.local";
const std::string kOther = "shop/other.shop.svc.cluster.local";

}  // namespace

TEST_CASE("an object's own label comes before its namespace's, and none ends the search") {
  struct Case {
    const char* what;
    std::string on_namespace, on_service, on_pod, waypoint_for;
    std::string service, pod;
  };
  const auto use = [](const std::string& name) { return kUse + name; };
  const Case cases[] = {
      {"no label", "", "", "", "all", "", ""},
      {"the namespace's, for services by default", use("wp"), "", "", "", kWp, ""},
      {"the namespace's, for services", use("wp"), "", "", "service", kWp, ""},
      {"the namespace's, for workloads", use("wp"), "", "", "workload", "", kWp},
      {"the namespace's, for all", use("wp"), "", "", "all", kWp, kWp},
      {"the namespace's, for none", use("wp"), "", "", "none", "", ""},
      {"the service's", "", use("wp"), "", "all", kWp, ""},
      {"the pod's", "", "", use("wp"), "all", "", kWp},
      {"a service opts out", use("wp"), use("none"), "", "all", "", kWp},
      {"a pod opts out", use("wp"), "", use("none"), "all", kWp, ""},
      {"the namespace opts out, a service in", use("none"), use("wp"), "", "all", kWp, ""},
      {"a service names another", use("wp"), use("other"), "", "all", kOther, kWp},
      {"a pod names another", use("wp"), "", use("other"), "all", kWp, kOther},
      {"a pod names one for services", "", "", use("wp"), "service", "", ""},
      {"a service names one for workloads", "", use("wp"), "", "workload", "", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    const auto purpose = c.waypoint_for.empty() ? "" : "istio.io/waypoint-for: " + c.waypoint_for;
    const auto got = ends(ns(c.on_namespace) + service(c.on_service) +
                          pod(std::string("app: web") + (c.on_pod.empty() ? "" : ", ") + c.on_pod) +
                          gateway("wp", purpose) + gateway("other", "istio.io/waypoint-for: all"));
    CHECK(got.service == c.service);
    CHECK(got.pod == c.pod);
  }
}

TEST_CASE("a label that names nothing that could serve leads where nobody answers") {
  const auto labelled = ns("") + service("istio.io/use-waypoint: wp");
  const auto own = labelled + pod("app: web, istio.io/use-waypoint: wp");
  SUBCASE("no Gateway of that name") {
    CHECK(ends(own).service == kWp);
    CHECK(ends(own).pod == kWp);
    const auto c = compiled(own);
    CHECK(condition(c, "Service", "web")->reason == "WaypointMissing");
    CHECK_FALSE(condition(c, "Service", "web")->status);
    CHECK(condition(c, "Pod", "web-1")->reason == "WaypointMissing");
    // Its route is refused, not direct.
    const auto snapshot = mesh_of(c);
    mesh::RoundRobin state;
    mesh::Workload client;
    client.uid = "client";
    const auto route =
        mesh::resolve_destination(*snapshot, {*IpAddress::parse("10.96.0.1"), 80}, client, state);
    REQUIRE_FALSE(route);
    CHECK(route.error().code == ErrorCode::kNoUpstream);
  }
  SUBCASE("a namespace's label that names nothing means its services") {
    const auto got = ends(ns("istio.io/use-waypoint: wp") + service("") + pod("app: web"));
    CHECK(got.service == kWp);
    CHECK(got.pod.empty());
  }
  SUBCASE("a Gateway of another class") {
    const auto yaml = own + gateway("wp", "", "shop", "nginx");
    CHECK(ends(yaml).service == kWp);
    CHECK(condition(compiled(yaml), "Service", "web")->reason == "NotAWaypoint");
    CHECK(condition(compiled(yaml), "KubernetesGateway", "wp")->reason == "NotAWaypoint");
  }
  SUBCASE("a Gateway for what nobody knows") {
    const auto yaml = own + gateway("wp", "istio.io/waypoint-for: services");
    CHECK(ends(yaml).service == kWp);
    CHECK(condition(compiled(yaml), "Service", "web")->reason == "NotAWaypoint");
  }
}

TEST_CASE("istio-waypoint is ours only where its GatewayClass names our controller") {
  const auto yaml = service("istio.io/use-waypoint: wp") + pod("app: web") +
                    gateway("wp", "", "shop", "istio-waypoint");
  const auto gateway_class = [](const std::string& controller, const std::string& labels = "") {
    return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: "
           "istio-waypoint, labels: {" +
           labels + "}}\nspec: {controllerName: " + controller + "}\n";
  };
  const auto reason = [](const std::string& text) {
    return condition(compiled(text), "Service", "web")->reason;
  };
  CHECK(reason(yaml) == "NotAWaypoint");
  CHECK(reason(yaml + gateway_class("istio.io/mesh-controller")) == "NotAWaypoint");
  CHECK(reason(yaml + gateway_class("culvert.io/waypoint-controller")) == "WaypointAccepted");
  CHECK(reason(yaml + gateway_class("culvert.io/waypoint-controller",
                                    "istio.io/waypoint-for: workload")) ==
        "UnsupportedTrafficType");
}

TEST_CASE("a waypoint of another namespace serves where its listener admits the namespace") {
  const auto label = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra";
  const auto base = ns("team: a") + service(label) + pod("app: web");
  const auto with = [&](const std::string& allowed) {
    return base +
           gateway("wp", "", "infra", "culvert-waypoint",
                   allowed.empty() ? "" : ", allowedRoutes: {namespaces: {" + allowed + "}}");
  };
  const std::string there = "infra/wp.infra.svc.cluster.local";
  const std::string nowhere = "infra/wp.infra.invalid";
  CHECK(ends(with("from: All")).service == there);
  CHECK(ends(with("from: Selector, selector: {matchLabels: {team: a}}")).service == there);
  CHECK(ends(with("from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}"))
            .service == there);
  CHECK(ends(with("from: Selector, selector: {matchLabels: {team: b}}")).service == nowhere);
  CHECK(ends(with("from: Selector, selector: {matchExpressions: [{key: team, operator: Exists}]}"))
            .service == there);
  const auto without = with("from: Selector");
  CHECK(ends(without).service == nowhere);
  CHECK(condition(compiled(without), "KubernetesGateway", "wp")->message ==
        "allowedRoutes.namespaces: selector is required; only the Gateway's own namespace is "
        "admitted");
  CHECK(ends(with("from: Same")).service == nowhere);
  CHECK(ends(with("")).service == nowhere);
  CHECK(condition(compiled(with("")), "Service", "web")->reason == "NotAllowed");
}

TEST_CASE(
    "pods and Services of a waypoint use none themselves, nor do pods on the host's network") {
  const auto yaml = ns("istio.io/use-waypoint: wp") + gateway("wp", "istio.io/waypoint-for: all") +
                    service("", "wp") + pod("gateway.networking.k8s.io/gateway-name: wp", "wp-1") +
                    pod("app: web", "host-1", "hostNetwork: true, ");
  const auto snapshot = mesh_of(compiled(yaml));
  CHECK_FALSE(snapshot->service("shop/wp.shop.svc.cluster.local")->waypoint);
  CHECK_FALSE(snapshot->workload_named("shop", "wp-1")->waypoint);
  CHECK(snapshot->workload_named("shop", "wp-1")->protocol == mesh::TunnelProtocol::kHbone);
  CHECK_FALSE(snapshot->workload_named("shop", "host-1")->waypoint);
  // The label alone makes nobody part of a waypoint.
  const auto pretender = pod("gateway.networking.k8s.io/gateway-name: no-such", "web-1");
  CHECK(ends(ns("istio.io/use-waypoint: wp") + gateway("wp", "istio.io/waypoint-for: all") +
             service("") + pretender)
            .pod == kWp);
}

TEST_CASE("a Namespace with the label and a Gateway are told how they stand") {
  const auto good = compiled(ns("istio.io/use-waypoint: wp") + gateway("wp"));
  CHECK(condition(good, "Namespace", "shop")->reason == "WaypointAccepted");
  CHECK(condition(good, "KubernetesGateway", "wp")->status);
  CHECK(condition(compiled(ns("istio.io/use-waypoint: wp") +
                           gateway("wp", "istio.io/waypoint-for: workload")),
                  "Namespace", "shop")
            ->status);
  CHECK_FALSE(condition(compiled(ns("istio.io/use-waypoint: wp")), "Namespace", "shop")->status);
  CHECK(condition(compiled(ns("")), "Namespace", "shop") == nullptr);
  const auto http =
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: "
      "wp, namespace: shop}\nspec: {gatewayClassName: culvert-waypoint, listeners: "
      "[{name: web, port: 80, protocol: HTTP}]}\n";
  CHECK(condition(compiled(http), "KubernetesGateway", "wp")->reason == "NotAllHonoured");
}

TEST_CASE("a ServiceEntry is a service with its endpoints; one that is a pod keeps its identity") {
  const auto entry = [](const std::string& labels, const std::string& more = "") {
    return "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: outside, "
           "namespace: shop, labels: {" +
           labels + "}}\nspec:\n  hosts: [api.example.com, api2.example.com]\n" + more +
           "  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]\n  resolution: "
           "STATIC\n  endpoints: [{address: 192.0.2.1, ports: {http: 9000}, labels: {version: v2}, "
           "weight: 3}, {address: 10.0.0.1}]\n";
  };
  const auto c = compiled(entry("istio.io/use-waypoint: wp", "  addresses: [192.0.2.100]\n") +
                          gateway("wp") + pod("app: web"));
  const auto snapshot = mesh_of(c);
  const auto s = snapshot->service("shop/api.example.com");
  REQUIRE(s);
  CHECK(host_of(s->waypoint) == kWp);
  REQUIRE(s->vips.size() == 1);
  CHECK(s->vips[0].ip.to_string() == "192.0.2.100");
  CHECK(s->ports[0].protocol == mesh::AppProtocol::kHttp11);
  const auto endpoints = snapshot->endpoints("shop/api2.example.com");
  REQUIRE(endpoints.size() == 2);
  std::map<std::string, std::uint16_t> targets;
  for (const auto& e : endpoints) targets[e.workload->uid] = e.ports[0].target_port;
  CHECK(targets["Kubernetes//Pod/shop/web-1"] == 8080);
  const std::string outside = "Kubernetes/networking.istio.io/ServiceEntry/shop/outside/192.0.2.1";
  CHECK(targets[outside] == 9000);
  for (const auto& e : endpoints) CHECK(e.weight == (e.workload->uid == outside ? 3 : 1));
  CHECK(snapshot->workload(outside)->capacity == 3);
  const auto& labels = c.resources.at(std::string(xds::kLabelsType));
  CHECK(xds::parse_labels(labels.at(outside).bytes)->labels.at("version") == "v2");
  CHECK(condition(c, "ServiceEntry", "outside")->reason == "WaypointAccepted");

  const auto automatic = mesh_of(compiled(entry("")));
  const auto& one = automatic->service("shop/api.example.com")->vips;
  const auto& two = automatic->service("shop/api2.example.com")->vips;
  REQUIRE(one.size() == 2);
  CHECK(one[0].ip.to_string().starts_with("240.240."));
  CHECK(one[1].ip.to_string().starts_with("2001:2::"));
  CHECK(one[0] != two[0]);
}

TEST_CASE("a ServiceEntry gets no address that another namespace's service or pod has") {
  const auto entry = [](const std::string& ns) {
    return "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: take, "
           "namespace: " +
           ns +
           "}\nspec:\n  hosts: [x.example]\n  addresses: [10.0.0.1, 192.0.2.7]\n  ports: [{number: "
           "80, name: http, protocol: HTTP}]\n  resolution: STATIC\n  endpoints: [{address: "
           "192.0.2.1}]\n";
  };
  const auto theirs = compiled(entry("evil") + pod("app: web"));
  REQUIRE(mesh_of(theirs)->service("evil/x.example")->vips.size() == 1);
  CHECK(mesh_of(theirs)->service("evil/x.example")->vips[0].ip.to_string() == "192.0.2.7");
  CHECK(condition(theirs, "ServiceEntry", "take")->reason == "AddressTaken");
  CHECK(
      mesh_of(compiled(entry("shop") + pod("app: web")))->service("shop/x.example")->vips.size() ==
      2);
}

namespace {

std::string service_entry(const std::string& name, const std::string& spec,
                          const std::string& ns = "shop", int created = 0) {
  return "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + name +
         ", namespace: " + ns + ", creationTimestamp: 1970-01-01T00:00:0" +
         std::to_string(created) + "Z}\nspec: {" + spec +
         ", ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC}\n";
}

std::vector<std::string> vips(const mesh::SnapshotPtr& mesh, const std::string& key) {
  std::vector<std::string> out;
  const auto found = mesh->service(key);
  REQUIRE(found);
  for (const auto& vip : found->vips) out.push_back(vip.ip.to_string());
  return out;
}

}  // namespace

TEST_CASE("the weight of an endpoint that is a pod counts for this host alone") {
  const auto mesh =
      mesh_of(compiled(service("") + pod("app: web") +
                       service_entry("books",
                                     "hosts: [books.example], endpoints: [{address: 10.0.0.1, "
                                     "weight: 9}, {address: 192.0.2.1}]")));
  const auto books = mesh->endpoints("shop/books.example");
  REQUIRE(books.size() == 2);
  CHECK(books[0].weight == 9);
  CHECK(books[1].weight == 1);
  REQUIRE(mesh->endpoints("shop/web.shop.svc.cluster.local").size() == 1);
  CHECK(mesh->endpoints("shop/web.shop.svc.cluster.local")[0].weight == 1);
}

TEST_CASE("exportTo of a ServiceEntry says which namespaces see it") {
  const auto seen = [](const std::string& export_to, const std::string& ns) {
    return mesh_of(compiled(service_entry(
                       "books", "hosts: [books.example]" +
                                    (export_to.empty() ? "" : ", exportTo: [" + export_to + "]"))))
        ->service("shop/books.example")
        ->visible_to(ns);
  };
  CHECK(seen("", "bank"));
  CHECK(seen("\"*\"", "bank"));
  CHECK(seen("\".\"", "shop"));
  CHECK_FALSE(seen("\".\"", "bank"));
  CHECK(seen("bank, \".\"", "shop"));
  CHECK(seen("bank", "bank"));
  CHECK_FALSE(seen("bank", "shop"));
  CHECK_FALSE(seen("\"~\"", "shop"));
}

TEST_CASE("automatic addresses stay with the older host, whatever comes, and leave written ones") {
  const auto hosts = [](int number, const std::string& ns, int created) {
    return service_entry("e" + std::to_string(number),
                         "hosts: [h" + std::to_string(number) + ".example]", ns, created);
  };
  // Of so many hosts in 65,534 places two meet.
  constexpr int kHosts = 700;
  std::string old, all;
  for (int i = 0; i < kHosts; ++i) old += hosts(i, "shop", 1);
  all = old;
  for (int i = 0; i < kHosts; ++i) all += hosts(i, "earlier", 2);  // first by name, younger
  const auto before = mesh_of(compiled(old));
  const auto after = mesh_of(compiled(all));
  std::set<std::string> addresses;
  for (int i = 0; i < kHosts; ++i) {
    const auto host = "/h" + std::to_string(i) + ".example";
    CHECK(vips(before, "shop" + host) == vips(after, "shop" + host));
    for (const auto* ns : {"shop", "earlier"}) {
      for (const auto& vip : vips(after, ns + host)) CHECK(addresses.insert(vip).second);
    }
  }
  CHECK(addresses.size() == 4 * kHosts);
  const auto own = vips(before, "shop/h0.example");
  const auto taken = mesh_of(compiled(
      hosts(0, "shop", 1) +
      service_entry("w", "hosts: [w.example], addresses: [" + own.at(0) + "]", "shop", 2)));
  CHECK(vips(taken, "shop/w.example") == std::vector<std::string>{own.at(0)});
  CHECK(vips(taken, "shop/h0.example").at(0) != own.at(0));
}

TEST_CASE("a ServiceEntry of another namespace never is a Kubernetes service's host") {
  const std::string entry =
      "hosts: [web.shop.svc.cluster.local], endpoints: [{address: 192.0.2.9}]";
  const auto mesh =
      mesh_of(compiled(service("") + pod("app: web") + service_entry("take", entry, "evil")));
  const auto own = mesh->service("shop/web.shop.svc.cluster.local");
  REQUIRE(own);
  CHECK(own->vips.at(0).ip.to_string() == "10.96.0.1");
  REQUIRE(mesh->endpoints(own->key()).size() == 1);
  CHECK(mesh->endpoints(own->key())[0].workload->name == "web-1");
  CHECK(mesh->service_at({"", own->vips.at(0).ip}, "evil") == own);
  // Of the same namespace the Service stands, and the other is told.
  const auto same = compiled(service("") + pod("app: web") + service_entry("take", entry));
  CHECK(condition(same, "ServiceEntry", "take")->reason == "HostTaken");
  CHECK(mesh_of(same)->endpoints("shop/web.shop.svc.cluster.local").size() == 1);
}

TEST_CASE("a DestinationRule that is refused and never was good goes to waypoints as refused") {
  const auto rule = [](const std::string& name, const std::string& spec) {
    return "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " +
           name + ", namespace: shop}\nspec: {" + spec + "}\n";
  };
  const auto c = compiled(rule("good", "host: a") +
                              rule("bad",
                                   "host: web, trafficPolicy: {loadBalancer: {consistentHash: "
                                   "{useSourceIp: true}}}") +
                              rule("twice", "host: c") + rule("twice", "host: d") +
                              rule("none", "subsets: []"),
                          true);
  std::map<std::string, bool> refused;  // by host
  for (const auto& [name, one] : c.resources.at(std::string(l7::kDestinationRuleType))) {
    const auto object = l7::parse_destination_rule(one.bytes);
    REQUIRE(object);
    refused[object->name] = object->refused;
  }
  CHECK(refused == std::map<std::string, bool>{
                       {"good", false}, {"bad", true}, {"twice", true}, {"twice#2", true}});
}

TEST_CASE("waypoints get labels by uid, and Istio's objects by name, the refused ones too") {
  const auto virtual_service = [](const std::string& name, const std::string& http) {
    return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " +
           name +
           ", namespace: shop, creationTimestamp: 1970-01-01T00:00:09Z}\nspec:\n  hosts: "
           "[\"" +
           name + "\"]\n  gateways: [mesh, edge]\n  http: " + http + "\n";
  };
  const auto good = "[{route: [{destination: {host: web}}]}]";
  const auto c = compiled(virtual_service("web", good) +
                              virtual_service("bad", "[{rout: [{destination: {host: web}}]}]") +
                              service("") + pod("app: web, version: v1"),
                          true);
  const auto& labels = c.resources.at(std::string(xds::kLabelsType));
  const auto read = xds::parse_labels(labels.at("Kubernetes//Pod/shop/web-1").bytes);
  REQUIRE(read);
  CHECK(read->labels == std::map<std::string, std::string>{{"app", "web"}, {"version", "v1"}});
  const auto& objects = c.resources.at(std::string(l7::kVirtualServiceType));
  CHECK(objects.size() == 2);
  auto web = l7::parse_virtual_service(objects.at("shop/web").bytes);
  auto bad = l7::parse_virtual_service(objects.at("shop/bad").bytes);
  REQUIRE(web);
  REQUIRE(bad);
  CHECK(web->created == 9);
  l7::Compiler compiler({"cluster.local", "istio-system", "shop"});
  compiler.put(std::move(*web));
  compiler.put(std::move(*bad));
  for (const auto* gateway : {"mesh", "shop/edge"}) {
    const l7::TargetView target{.gateway = gateway, .host = "bad.shop.svc.cluster.local"};
    const auto* routes = l7::find_host(*compiler.compile(), target, "shop");
    REQUIRE(routes);
    CHECK(routes->contributions.at(0).refused);
    CHECK(routes->entries.empty());
  }
  CHECK(compiler.report("shop", "web").in_force);
}
