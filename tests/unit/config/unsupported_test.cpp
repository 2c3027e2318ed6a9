// What is not honoured: refused, or told of in a warning and a condition, by the field's name.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>

#include "culvert/config/object_store.hpp"
#include "culvert/config/saved_objects.hpp"
#include "culvert/l7/unsupported.hpp"
#include "findings.hpp"
#include "gateway_api.pb.h"
#include "istio_objects.pb.h"
#include "kubernetes.pb.h"

using namespace culvert;
using namespace culvert::config;
using google::protobuf::DescriptorPool;

namespace {

constexpr std::array kPackages = {"istio.networking.v1alpha3.", "culvert.api.k8s.",
                                  "culvert.api.gateway."};

std::string text(const std::string& version, const std::string& kind, const std::string& spec) {
  return "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: a}\nspec: {" + spec +
         "}\n";
}
std::string service(const std::string& more) {
  return text("v1", "Service", "ports: [{port: 80}]" + more);
}
std::string gateway(const std::string& more, const std::string& of_listener = "") {
  return text("gateway.networking.k8s.io/v1", "Gateway",
              "gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: "
              "HBONE" +
                  of_listener + "}]" + more);
}
std::string entry(const std::string& more) {
  return text("networking.istio.io/v1", "ServiceEntry",
              "hosts: [a.example], resolution: STATIC, ports: [{number: 80, name: http}]" + more);
}

/// An object for a row of the table, and the path by which it is told of.
struct Told {
  const char* row;
  std::string yaml;
  const char* path;
};
const Told kTold[] = {
    {"ServiceEntry.location", entry(", location: MESH_INTERNAL"), "spec.location"},
    {"ServiceSpec.sessionAffinity", service(", sessionAffinity: ClientIP"), "spec.sessionAffinity"},
    {"ServiceSpec.sessionAffinityConfig",
     service(", sessionAffinityConfig: {clientIP: {timeoutSeconds: 9}}"),
     "spec.sessionAffinityConfig"},
    {"ServiceSpec.internalTrafficPolicy", service(", internalTrafficPolicy: Local"),
     "spec.internalTrafficPolicy"},
    {"ServiceSpec.trafficDistribution", service(", trafficDistribution: PreferClose"),
     "spec.trafficDistribution"},
    {"ServiceSpec.type", text("v1", "Service", "type: ExternalName, externalName: a.example"),
     "spec.type"},
    {"ServiceSpec.externalIPs", service(", externalIPs: [192.0.2.1]"), "spec.externalIPs"},
    {"GatewaySpec.addresses", gateway(", addresses: [{value: 192.0.2.1}]"), "spec.addresses"},
    {"GatewaySpec.infrastructure", gateway(", infrastructure: {labels: {a: b}}"),
     "spec.infrastructure"},
    {"GatewaySpec.allowedListeners", gateway(", allowedListeners: {namespaces: {from: All}}"),
     "spec.allowedListeners"},
    {"GatewaySpec.tls", gateway(", tls: {frontend: {}}"), "spec.tls"},
    {"Listener.tls", gateway("", ", tls: {mode: Terminate}"), "spec.listeners[0].tls"},
    {"Listener.hostname", gateway("", ", hostname: a.example"), "spec.listeners[0].hostname"},
    {"AllowedRoutes.kinds", gateway("", ", allowedRoutes: {kinds: [{kind: TCPRoute}]}"),
     "spec.listeners[0].allowedRoutes.kinds"},
    {"GatewayClassSpec.parametersRef",
     text("gateway.networking.k8s.io/v1", "GatewayClass",
          "controllerName: culvert.io/waypoint-controller, parametersRef: {group: a, kind: B, "
          "name: c}"),
     "spec.parametersRef"},
};

std::string name_of(const l7::UnsupportedField& row) {
  return fmt::format("{}.{}", row.message, row.field);
}

std::vector<l7::UnsupportedField> rows_without_effect() {
  std::vector<l7::UnsupportedField> out;
  for (const auto& row : l7::unsupported_fields()) {
    if (row.consequence == l7::Consequence::kNoEffect) out.push_back(row);
  }
  return out;
}

}  // namespace

TEST_CASE("every row of the table of unsupported fields is of one field that there is") {
  for (const auto& row : l7::unsupported_fields()) {
    CAPTURE(name_of(row));
    CHECK_FALSE(row.why.empty());
    int found = 0;
    for (const char* package : kPackages) {
      const auto* type = DescriptorPool::generated_pool()->FindMessageTypeByName(
          package + std::string(row.message));
      for (int i = 0; type && i < type->field_count(); ++i) {
        const auto& field = *type->field(i);
        if (field.json_name() != row.field) continue;
        ++found;
        if (row.value.empty() || !field.enum_type()) continue;
        CHECK(field.enum_type()->FindValueByName(std::string(row.value)));
      }
    }
    CHECK(found == 1);
  }
}

TEST_CASE("a field without effect is told of by its path, and the object is in force") {
  const auto rows = rows_without_effect();
  REQUIRE(std::size(kTold) == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& [row, yaml, path] = kTold[i];
    CAPTURE(yaml);
    REQUIRE(row == name_of(rows[i]));
    ObjectStore store;
    const auto report = store.load({parse_file("a.yaml", yaml)});
    REQUIRE(report.diagnostics.size() == 1);
    const auto& told = report.diagnostics[0];
    CHECK(told.severity == Diagnostic::Severity::kWarning);
    CHECK(told.line == 4);
    CHECK(told.field == path);
    CHECK(told.reason == fmt::format("has no effect: {}", rows[i].why));
    REQUIRE(store.objects()->size() == 1);
    REQUIRE(report.conditions.size() == 1);
    const auto& condition = report.conditions[0];
    CHECK(condition.object == store.objects()->begin()->first);
    CHECK(condition.type == "AllHonoured");
    CHECK_FALSE(condition.status);
    CHECK(condition.reason == "FieldsWithoutEffect");
    CHECK(condition.message == fmt::format("{}: {}", path, rows[i].why));
  }
}

TEST_CASE("what is said as it is honoured is not told of") {
  for (const auto& yaml :
       {service(", sessionAffinity: None, internalTrafficPolicy: Cluster, type: NodePort"),
        entry(", location: MESH_EXTERNAL"),
        gateway("",
                ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: "
                "{a: b}}}}")}) {
    CAPTURE(yaml);
    ObjectStore store;
    const auto report = store.load({parse_file("a.yaml", yaml)});
    CHECK(store.objects()->size() == 1);
    CHECK(report.diagnostics.empty());
    CHECK(report.conditions.empty());
  }
}

TEST_CASE("several fields without effect are one condition, told of the state that is in force") {
  ObjectStore store;
  const auto two = service(", trafficDistribution: PreferClose, externalIPs: [192.0.2.1]");
  const auto says = [](const LoadReport& report, const char* type) {
    for (const auto& one : report.conditions) {
      if (one.type == type) return one.message;
    }
    return std::string();
  };
  const auto message = says(store.load({parse_file("a.yaml", two)}), "AllHonoured");
  CHECK(message ==
        "spec.trafficDistribution: locality is not honoured yet; spec.externalIPs: of a service's "
        "addresses the mesh knows the cluster IPs alone");
  // The last good state, after a mistake and after a restart.
  const auto mistake = service(", trafikDistribution: PreferClose");
  auto report = store.load({parse_file("a.yaml", mistake)});
  CHECK(says(report, "Accepted").find("last good state") != std::string::npos);
  CHECK(says(report, "AllHonoured") == message);
  ObjectStore next;
  next.load(*decode_objects(encode_objects(*store.objects())));
  CHECK(says(next.load({parse_file("a.yaml", mistake)}), "AllHonoured") == message);
  CHECK(next.load({parse_file("a.yaml", service(""))}).conditions.empty());
}

TEST_CASE("warnings beyond the bound are no error, and hide none") {
  // 120 warnings, of a Gateway of another make.
  std::string listeners;
  for (int i = 0; i < 60; ++i) {
    listeners += fmt::format(
        ", {{name: l{}, port: 443, protocol: HTTPS, hostname: a{}.example, tls: {{}}}}", i, i);
  }
  const auto with = [&](const std::string& more) {
    return parse_file(
        "a.yaml", text("gateway.networking.k8s.io/v1", "Gateway",
                       "gatewayClassName: other, listeners: [" + listeners.substr(2) + more + "]"));
  };
  const auto is_error = [](const Diagnostic& d) {
    return d.severity == Diagnostic::Severity::kError;
  };
  const auto good = with("");
  CHECK(good.objects.size() == 1);
  CHECK(good.diagnostics.size() == kMaxProblems + 1);
  CHECK(std::ranges::none_of(good.diagnostics, is_error));
  CHECK(good.diagnostics.back().reason == "and 20 more warnings");
  const auto bad = with(", {name: l7, port: 80, protocol: HTTP}");
  CHECK(bad.objects.empty());
  CHECK(bad.diagnostics.size() == kMaxProblems + 1);
  CHECK(std::ranges::count_if(bad.diagnostics, is_error) == 1);
  CHECK(bad.diagnostics[kMaxProblems - 1].reason == "a second listener named \"l7\"");
  CHECK(bad.diagnostics.back().reason == "and 21 more warnings");
  std::string again;
  for (std::size_t i = 0; i <= kMaxProblems; ++i) again += ", {name: l7, port: 80, protocol: HTTP}";
  const auto worse = with(again);
  CHECK(std::ranges::all_of(worse.diagnostics, is_error));
  CHECK(worse.diagnostics.back().reason == "and 121 more problems");
}

TEST_CASE("a ServiceEntry with subjectAltNames is refused, as they would be checked by nobody") {
  const auto file = parse_file("a.yaml", entry(", subjectAltNames: [spiffe://a/ns/b/sa/c]"));
  CHECK(file.objects.empty());
  REQUIRE(file.diagnostics.size() == 1);
  CHECK(file.diagnostics[0].severity == Diagnostic::Severity::kError);
  CHECK(file.diagnostics[0].field == "spec.subjectAltNames");
  CHECK(file.diagnostics[0].reason == "an endpoint has its own identity and no other");
}

TEST_CASE("a field that nobody knows is refused by its name, whatever the kind") {
  const std::pair<std::string, const char*> cases[] = {
      {service(", sesionAffinity: ClientIP"), "spec.sesionAffinity"},
      {text("v1", "Service", "ports: [{port: 80, appProtokol: http}]"),
       "spec.ports[0].appProtokol"},
      {gateway(", adresses: []"), "spec.adresses"},
      {gateway("", ", allowedRoutes: {namspaces: {from: All}}"),
       "spec.listeners[0].allowedRoutes.namspaces"},
      {gateway("", ", allowedRoutes: {namespaces: {form: All}}"),
       "spec.listeners[0].allowedRoutes.namespaces.form"},
      {text("gateway.networking.k8s.io/v1", "GatewayClass",
            "controllerName: culvert.io/waypoint-controller, parameterRef: {}"),
       "spec.parameterRef"},
      {entry(", locaton: MESH_INTERNAL"), "spec.locaton"},
      {entry(", endpoints: [{address: 192.0.2.1, wieght: 1}]"), "spec.endpoints[0].wieght"},
      {text("networking.istio.io/v1", "Gateway",
            "selector: {a: b}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a], "
            "tsl: {}}]"),
       "spec.servers[0].tsl"},
  };
  for (const auto& [yaml, path] : cases) {
    CAPTURE(yaml);
    const auto file = parse_file("a.yaml", yaml);
    CHECK(file.objects.empty());
    REQUIRE_FALSE(file.diagnostics.empty());
    CHECK(file.diagnostics[0].field == path);
    CHECK(file.diagnostics[0].reason == "unknown field");
  }
}
