// Every field of the specs that control compiles: either it changes what comes out, or it is in the
// table of what is not honoured, or the page on routes says whose it is. The messages' own
// descriptors say which fields there are. VirtualService and DestinationRule: tests/unit/l7.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <set>

#include "../l7/page.hpp"
#include "control/compile/compile.hpp"
#include "culvert/config/object_store.hpp"
#include "culvert/l7/unsupported.hpp"
#include "culvert/l7/wire_object.hpp"
#include "gateway_api.pb.h"
#include "istio_gateway.pb.h"
#include "kubernetes.pb.h"
#include "service_entry.pb.h"

using namespace culvert;
using namespace culvert::control;
using google::protobuf::Descriptor;

namespace {

/// A field below KIND's spec, and two specs that differ in it.
struct Row {
  const char* field;
  std::string without, with;
};

std::string service(const std::string& port, const std::string& more = "") {
  return "selector: {app: web}, ports: [{" + port + "}]" +
         (more.find("clusterIP") == std::string::npos ? ", clusterIP: 10.96.0.1" : "") + more;
}
const std::string kPlain = service("port: 80");

std::string listener(const std::string& more) {
  return "gatewayClassName: c, listeners: [{name: mesh" + more + "}]";
}
const std::string kMesh = listener(", port: 15008, protocol: HBONE");
std::string allowed(const std::string& namespaces) {
  return listener(", port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {" + namespaces +
                  "}}");
}

std::string entry(const std::string& port, const std::string& endpoint,
                  const std::string& more = "") {
  return "resolution: STATIC, ports: [{" + port + "}], endpoints: [{" + endpoint + "}]" +
         (more.find("hosts") == std::string::npos ? ", hosts: [a.example]" : "") + more;
}
constexpr auto kPort = "number: 80, name: http, protocol: HTTP";
constexpr auto kEndpoint = "address: 10.9.9.9";
const std::string kEntry = entry(kPort, kEndpoint);

std::string server(const std::string& port, const std::string& host = "a.example",
                   const std::string& selector = "app: edge") {
  return "selector: {" + selector + "}, servers: [{port: {number: " + port +
         ", name: http, protocol: HTTP}, hosts: [" + host + "]}]";
}

const std::vector<Row> kService = {
    {"ports.name", kPlain, service("port: 80, name: http")},
    {"ports.protocol", kPlain, service("port: 80, protocol: UDP")},
    {"ports.appProtocol", kPlain, service("port: 80, appProtocol: http")},
    {"ports.port", kPlain, service("port: 81")},
    {"ports.targetPort", kPlain, service("port: 80, targetPort: 8080")},
    {"selector", kPlain, "clusterIP: 10.96.0.1, selector: {app: other}, ports: [{port: 80}]"},
    {"clusterIP", kPlain, service("port: 80", ", clusterIP: 10.96.0.2")},
    {"clusterIPs", kPlain, service("port: 80", ", clusterIPs: [10.96.0.1, \"fd96::1\"]")},
    {"publishNotReadyAddresses", kPlain, service("port: 80", ", publishNotReadyAddresses: true")},
};
const std::vector<Row> kGateway = {
    {"gatewayClassName", kMesh,
     "gatewayClassName: d, listeners: [{name: mesh, port: 15008, protocol: HBONE}]"},
    {"listeners.port", kMesh, listener(", port: 15009, protocol: HBONE")},
    {"listeners.protocol", kMesh, listener(", port: 15008, protocol: HTTP")},
    {"listeners.allowedRoutes.namespaces.from", kMesh, allowed("from: All")},
    {"listeners.allowedRoutes.namespaces.selector",
     allowed("from: Selector, selector: {matchLabels: {team: a}}"),
     allowed("from: Selector, selector: {matchLabels: {team: b}}")},
};
const std::vector<Row> kGatewayClass = {
    {"controllerName", "controllerName: culvert.io/waypoint-controller",
     "controllerName: example/other"},
};
const std::vector<Row> kServiceEntry = {
    {"hosts", kEntry, entry(kPort, kEndpoint, ", hosts: [b.example]")},
    {"addresses", kEntry, entry(kPort, kEndpoint, ", addresses: [10.1.1.1]")},
    {"ports.number", kEntry, entry("number: 81, name: http, protocol: HTTP", kEndpoint)},
    {"ports.protocol", kEntry, entry("number: 80, name: http, protocol: GRPC", kEndpoint)},
    {"ports.name", entry("number: 80, name: http", kEndpoint),
     entry("number: 80, name: grpc", kEndpoint)},
    {"ports.targetPort", kEntry, entry(std::string(kPort) + ", targetPort: 8080", kEndpoint)},
    {"endpoints.address", kEntry, entry(kPort, "address: 10.9.9.8")},
    {"endpoints.ports", kEntry, entry(kPort, "address: 10.9.9.9, ports: {http: 8080}")},
    {"endpoints.labels", kEntry, entry(kPort, "address: 10.9.9.9, labels: {a: b}")},
    {"endpoints.weight", kEntry, entry(kPort, "address: 10.9.9.9, weight: 2")},
    {"endpoints.serviceAccount", kEntry, entry(kPort, "address: 10.9.9.9, serviceAccount: a")},
    {"exportTo", kEntry, entry(kPort, kEndpoint, ", exportTo: [.]")},
};
const std::vector<Row> kIstioGateway = {
    {"servers.port.number", server("80"), server("81")},
    {"servers.hosts", server("80"), server("80", "b.example")},
    {"selector", server("80"), server("80", "a.example", "app: other")},
};

struct KindOfSpec {
  const char* kind;
  const char* version;
  const Descriptor* spec;
  const std::vector<Row>& rows;
};
const std::vector<KindOfSpec>& kinds() {
  static const std::vector<KindOfSpec> all = {
      {"Service", "v1", api::k8s::ServiceSpec::descriptor(), kService},
      {"Gateway", "gateway.networking.k8s.io/v1", api::gateway::GatewaySpec::descriptor(),
       kGateway},
      {"GatewayClass", "gateway.networking.k8s.io/v1", api::gateway::GatewayClassSpec::descriptor(),
       kGatewayClass},
      {"ServiceEntry", "networking.istio.io/v1",
       ::istio::networking::v1alpha3::ServiceEntry::descriptor(), kServiceEntry},
      {"Gateway", "networking.istio.io/v1", ::istio::networking::v1alpha3::Gateway::descriptor(),
       kIstioGateway},
  };
  return all;
}

/// What ztunnels, waypoints, edges and people get of the object, among pods, and a service of
/// another namespace that uses the waypoint "x".
std::string outcome(const KindOfSpec& kind, const std::string& spec) {
  const std::string namespaced =
      kind.kind == std::string("GatewayClass") ? "" : ", namespace: shop";
  auto yaml =
      fmt::format("apiVersion: {}\nkind: {}\nmetadata: {{name: {}{}}}\nspec: {{{}}}\n",
                  kind.version, kind.kind, namespaced.empty() ? "c" : "x", namespaced, spec);
  yaml +=
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {app: web}}\n"
      "spec: {nodeName: n1, containers: [{name: c}]}\nstatus: {podIP: 10.0.0.1}\n"
      "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bank, labels: {team: a}}\n"
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: teller, namespace: bank, labels: "
      "{istio.io/use-waypoint: x, istio.io/use-waypoint-namespace: shop}}\n"
      "spec: {clusterIP: 10.96.0.9, ports: [{port: 80}]}\n";
  if (kind.spec == api::gateway::GatewayClassSpec::descriptor()) {
    yaml +=
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: x, "
        "namespace: shop}\nspec: {" +
        kMesh + "}\n";
  } else {
    yaml +=
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\n"
        "spec: {controllerName: culvert.io/waypoint-controller}\n";
  }
  config::ObjectStore store;
  const auto report = store.load({config::parse_file("f.yaml", yaml)});
  for (const auto& d : report.diagnostics) MESSAGE(d.to_string());
  REQUIRE(report.diagnostics.empty());
  const auto made = compile(*store.objects(), CompileSettings(), store.refused());
  std::string out;
  for (const auto& [type, resources] : made.resources) {
    if (type == l7::kServiceEntryType) continue;  // as it is: what comes of it are Addresses
    for (const auto& [name, resource] : resources) {
      if (type != l7::kGatewayType) {
        out += name + resource.bytes;
        continue;
      }
      const auto edge = l7::parse_edge(resource.bytes);
      REQUIRE(edge);
      for (const auto& [label, value] : edge->selector) out += label + value;
      for (const auto& one : edge->servers) {
        out += fmt::format("{}", one.port);
        for (const auto& host : one.hosts) out += host.rules_of + "/" + host.host;
      }
    }
  }
  for (const auto& one : made.conditions) out += one.reason + one.message;
  return out;
}

/// Any row of the table, of all values of the field or of some.
bool in_table(const Descriptor& type, const std::string& field) {
  return std::ranges::any_of(l7::unsupported_fields(), [&](const l7::UnsupportedField& row) {
    return row.message == type.name() && row.field == field;
  });
}

/// "KIND.path" of each leaf field that is neither in `covered` nor in the table.
void uncovered(const Descriptor& type, const std::string& path,
               const std::set<std::string>& covered, std::vector<std::string>& out) {
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    const auto full = path + "." + field.json_name();
    if (in_table(type, field.json_name()) || covered.contains(full)) continue;
    const auto* below = field.is_map() ? nullptr : field.message_type();
    const bool leaf = !below || below->full_name().starts_with("google.protobuf.") ||
                      below == api::k8s::IntOrString::descriptor();
    if (leaf) {
      out.push_back(full);
    } else {
      uncovered(*below, full, covered, out);
    }
  }
}

}  // namespace

TEST_CASE("each field of a spec that is honoured changes what comes out") {
  for (const auto& kind : kinds()) {
    for (const auto& row : kind.rows) {
      CAPTURE(kind.kind);
      CAPTURE(row.field);
      CHECK(outcome(kind, row.without) != outcome(kind, row.with));
      CHECK(outcome(kind, row.with) == outcome(kind, row.with));
    }
  }
}

TEST_CASE("no field of a spec is left without a row, a refusal, a word or somebody else's name") {
  std::set<std::string> covered;
  for (const auto& [field, whose] : l7::test::table("routing.md", "| field | whose it is |")) {
    CHECK(covered.insert(field).second);
  }
  REQUIRE_FALSE(covered.empty());
  const auto others = covered;
  std::vector<std::string> all;
  for (const auto& kind : kinds()) {
    for (const auto& row : kind.rows) {
      CAPTURE(row.field);
      CHECK(covered.insert(fmt::format("{}.{}", kind.kind, row.field)).second);
    }
    uncovered(*kind.spec, kind.kind, {}, all);
  }
  for (const auto& field : others) {
    CAPTURE(field);
    CHECK(std::ranges::find(all, field) != all.end());  // it is there, and not in the table
  }
  std::vector<std::string> left;
  for (const auto& kind : kinds()) uncovered(*kind.spec, kind.kind, covered, left);
  CHECK(fmt::format("{}", fmt::join(left, " ")) == "");
  CHECK(all.size() > others.size());
}
