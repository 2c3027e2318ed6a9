// Every kind as people write it, and the special types of fields.
#include <doctest/doctest.h>

#include "culvert/config/parse.hpp"
#include "discovery.pb.h"
#include "kubernetes.pb.h"
#include "message_reader.hpp"
#include "yaml_tree.hpp"

using namespace culvert;
using namespace culvert::config;
namespace k8s = culvert::api::k8s;

namespace {

ObjectPtr object(const std::string& text) {
  const auto file = parse_file("f.yaml", text);
  for (const auto& d : file.diagnostics) MESSAGE(d.to_string());
  REQUIRE(file.diagnostics.empty());
  REQUIRE(file.objects.size() == 1);
  return file.objects[0];
}

std::string reason_of(const std::string& text) {
  const auto file = parse_file("f.yaml", text);
  for (const auto& d : file.diagnostics) {
    if (d.severity == Diagnostic::Severity::kError) return d.field + ": " + d.reason;
  }
  return "";
}

}  // namespace

TEST_CASE("a deployment with all that real ones have is accepted") {
  const auto o = object(R"(apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  creationTimestamp: null
  labels: {app.kubernetes.io/name: web}
  annotations: {note: "a: b"}
spec:
  replicas: 2
  revisionHistoryLimit: 3
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      creationTimestamp: null
      labels: {app: web}
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 30
      securityContext: {runAsNonRoot: true, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      nodeSelector: {kubernetes.io/os: linux}
      tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm: {topologyKey: zone}
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]
      imagePullSecrets: [{name: r}]
      initContainers: [{name: init, image: i, command: [sh, -c, "true"]}]
      containers:
      - name: web
        image: registry/web:1.0
        imagePullPolicy: IfNotPresent
        command: ["/web"]
        args: ["--port", "8080"]
        ports: [{name: http, containerPort: 8080, protocol: TCP}]
        envFrom: [{configMapRef: {name: c}}]
        env:
        - {name: A, value: "1"}
        - name: IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        resources: {limits: {cpu: 1, memory: 128Mi}, requests: {cpu: 100m, memory: 1.5Gi}}
        readinessProbe:
          httpGet: {path: /ready, port: http, httpHeaders: [{name: h, value: v}]}
          periodSeconds: 1
        livenessProbe: {tcpSocket: {port: 8080}}
        startupProbe: {exec: {command: [ls]}}
        lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
        securityContext: {capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
        volumeMounts: [{name: v, mountPath: /v, readOnly: true}]
      volumes:
      - {name: v, configMap: {name: c, defaultMode: 0644}}
      - {name: e, emptyDir: {}}
status: {}
)");
  const auto& d = message_as<k8s::Deployment>(*o);
  const auto& c = d.spec().template_().spec().containers(0);
  CHECK(c.readiness_probe().http_get().port().text() == "http");
  CHECK(c.liveness_probe().tcp_socket().port().number() == 8080);
  CHECK(c.resources().limits().at("cpu") == "1");
  CHECK(d.spec()
            .template_()
            .spec()
            .volumes()
            .list_value()
            .values(0)
            .struct_value()
            .fields()
            .at("configMap")
            .struct_value()
            .fields()
            .at("defaultMode")
            .number_value() == 420);
}

TEST_CASE("services, slices, nodes and accounts are accepted") {
  const auto s = object(R"(apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd96::1"]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: PreferDualStack
  ports:
  - {name: http, port: 80, targetPort: http, appProtocol: http}
  - {name: admin, port: 9000, targetPort: 9001}
status: {loadBalancer: {}}
)");
  CHECK(message_as<k8s::Service>(*s).spec().ports(1).target_port().number() == 9001);
  object("apiVersion: v1\nkind: Service\nmetadata: {name: h}\nspec: {clusterIP: None}\n");
  object(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: "
      "{kubernetes.io/service-name: web}}\naddressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n"
      "  conditions: {ready: true}\n  targetRef: {kind: Pod, name: web}\nports: [{name: \"\", "
      "port: "
      "80}]\n");
  object(
      "apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {topology.kubernetes.io/zone: "
      "a}}\nspec: {podCIDR: 10.0.1.0/24}\nstatus: {addresses: [{type: InternalIP, address: "
      "192.0.2.1}]}\n");
  object(
      "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\nautomountServiceAccountToken: "
      "false\n");
}

TEST_CASE("rules between the fields of Kubernetes objects are checked") {
  const std::string service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: ";
  CHECK(reason_of(service + "{}\n") == "spec.ports: is required");
  CHECK(reason_of(service + "{ports: [{port: 80}, {port: 80, name: b}]}\n") ==
        "spec.ports[0].name: is required when a service has several ports");
  CHECK(reason_of(service + "{ports: [{port: 80, name: a}, {port: 80, name: b}]}\n") ==
        "spec.ports[1].port: port 80 TCP is there twice");
  CHECK(reason_of(service + "{ports: [{port: 80, targetPort: Http_1}]}\n") ==
        "spec.ports[0].targetPort: must be a port name: at most 15 lower case letters, digits or "
        "'-', with a letter");
  CHECK(reason_of(service + "{clusterIP: 10.0.0, ports: [{port: 80}]}\n") ==
        "spec.clusterIP: must be an IP address or \"None\"");
  CHECK(reason_of(service + "{type: ExternalName}\n") ==
        "spec.externalName: is required for the type ExternalName");
  CHECK(reason_of("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\n"
                  "addressType: IPv4\nendpoints: [{addresses: [\"fd00::1\"]}]\n") ==
        "endpoints[0].addresses[0]: must be an IPv4 address");
  CHECK(reason_of("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\n"
                  "addressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]\n") ==
        "endpoints[0].addresses[0]: must not be a loopback, unspecified or link-local address");
  CHECK(reason_of("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: "
                  "{matchLabels: {a: b}}\n  template: {spec: {containers: [{name: c}]}}\n") ==
        "spec.selector.matchLabels[\"a\"]: does not match the labels of spec.template");
}

TEST_CASE("durations, timestamps and maps are read into their messages") {
  Findings findings;
  envoy::service::discovery::v3::Resource r;
  read_message(*parse_document({"name: a\nttl: 1m30s\nversion: \"1\"\n", 1}, findings).root, r, "",
               findings);
  CHECK_FALSE(findings.failed());
  CHECK(r.ttl().seconds() == 90);
  Findings bad;
  read_message(*parse_document({"ttl: 90\n", 1}, bad).root, r, "", bad);
  REQUIRE(bad.problems().size() == 1);
  CHECK(bad.problems()[0].reason ==
        "expected a duration such as \"1.5s\" or \"1h30m\", got a number");
  const auto pod = object(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: 2026-01-02T03:04:05Z}\n"
      "spec: {containers: [{name: c}]}\n");
  CHECK(message_as<k8s::Pod>(*pod).metadata().creation_timestamp().seconds() == 1767323045);
  CHECK(reason_of("apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: today}\nspec: "
                  "{containers: [{name: c}]}\n")
            .starts_with("metadata.creationTimestamp: expected a time"));
}

TEST_CASE("objects with equal content have equal bytes whatever their order") {
  const auto a =
      object("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: y, b: c}}\n");
  const auto b =
      object("kind: Namespace\nmetadata:\n  labels: {b: c, x: y}\n  name: a\napiVersion: v1\n");
  CHECK(a->bytes == b->bytes);
}
