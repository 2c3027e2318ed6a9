// Manifests: documents keep their places, and mistakes are told at the right line.
#include "lab/manifest.hpp"

#include <doctest/doctest.h>

#include "lab/objects.hpp"

using namespace culvert::lab;

static Manifest read(const std::string& text) {
  return read_manifest({{"m.yaml", "/srv", text}});
}

static const char* kPod = R"yaml(apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  serviceAccountName: seller
  containers:
  - name: main
    command: [serve, "$(PORT)"]
    env: [{name: PORT, value: "80"}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    ports: [{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP}]
    readinessProbe: {httpGet: {port: http, path: /ready}, timeoutSeconds: 2}
)yaml";

TEST_CASE("documents know the line they begin at, and empty ones are left out") {
  const auto documents =
      split_documents({"a.yaml", "/", "# head\n---\nkind: A\n---\n# none\n---\nkind: B\n"});
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].line == 3);
  CHECK(documents[1].line == 7);
  CHECK(documents[1].text == "kind: B\n");
}

TEST_CASE("a pod is read with all that its processes need") {
  const Manifest m = read(kPod);
  REQUIRE(m.problems.empty());
  REQUIRE(m.pods.size() == 1);
  const Pod& pod = m.pods[0];
  CHECK(pod.key() == "shop/web");
  CHECK(pod.service_account == "seller");
  CHECK(pod.folder == "/srv");
  const Container& c = pod.containers.at(0);
  CHECK(c.command == std::vector<std::string>{"serve", "$(PORT)"});
  CHECK(c.env.at(1).field_path == "status.podIP");
  CHECK(c.ports.at(0).tcp);
  CHECK_FALSE(c.ports.at(1).tcp);
  REQUIRE(c.readiness);
  CHECK(c.readiness->path == "/ready");
  CHECK(c.readiness->timeout_s == 2);
}

TEST_CASE("broken YAML is told with file, line and column") {
  const Manifest m =
      read("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\nkind: [unclosed\n");
  REQUIRE_FALSE(m.problems.empty());
  CHECK(m.problems[0].file == "m.yaml");
  CHECK(m.problems[0].line >= 5);
}

TEST_CASE("all mistakes of a manifest are told at once") {
  const Manifest m = read(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n---\nmetadata: {name: b}\n---\n"
      "apiVersion: v1\nkind: Service\nmetadata: {name: c}\n");
  CHECK(m.problems.size() >= 3);
}

TEST_CASE("a container without a command, a bad port and a bad address name their field and line") {
  const auto first = [](const std::string& text) { return read(text).problems.at(0); };
  const auto command =
      first("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: x\n");
  CHECK(command.field == "spec.containers[0].command");
  CHECK(command.line == 6);
  const auto port = first(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: x\n"
      "    command: [a]\n    ports: [{containerPort: 70000}]\n");
  CHECK(port.field == "spec.containers[0].ports[0].containerPort");
  const auto ip = first(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: x, "
      "command: [a]}\n"
      "status:\n  podIP: 10.0.0.256\n");
  CHECK(ip.field == "status.podIP");
  CHECK(ip.line == 8);
}

TEST_CASE("a name that could leave its folder is refused") {
  for (const char* name : {"../x", "a/b", "..", "-a"})
    CHECK(read(std::string("apiVersion: v1\nkind: Pod\nmetadata: {name: \"") + name +
               "\"}\nspec: {containers: [{name: x, command: [a]}]}\n")
              .problems.size() == 1);
}

TEST_CASE("the same object twice is refused and both places are named") {
  const Manifest m = read(std::string(kPod) + "---\n" + kPod);
  REQUIRE_FALSE(m.problems.empty());
  CHECK(m.problems[0].reason.find("m.yaml:1") != std::string::npos);
}

TEST_CASE("a pod's annotation chooses the mode of its guard, and a word that is none is refused") {
  const auto pod_with = [](const std::string& mode) {
    return read(
        "kind: Pod\napiVersion: v1\nmetadata: {name: web, annotations: {culvert.io/guard: " + mode +
        "}}\nspec: {containers: [{name: x, command: [sleep, \"9\"]}]}\n");
  };
  const Manifest good = pod_with("observe");
  REQUIRE(good.pods.size() == 1);
  CHECK(good.pods[0].guard == "observe");
  const Manifest bad = pod_with("loose");
  REQUIRE(bad.problems.size() == 1);
  CHECK(bad.problems[0].reason.find("strict, observe or off") != std::string::npos);
}

TEST_CASE("a Deployment becomes its replicas, each owned by a ReplicaSet") {
  const Manifest m = read(
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
      "spec:\n  replicas: 3\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: "
      "{labels: {app: web}}\n"
      "    spec: {containers: [{name: x, command: [sleep, \"9\"]}]}\n");
  REQUIRE(m.problems.empty());
  REQUIRE(m.pods.size() == 3);
  CHECK(m.pods[0].key() == "shop/web-1");
  CHECK(m.pods[2].key() == "shop/web-3");
  CHECK(m.pods[0].owner == "web");
  CHECK(m.pods[0].labels.at("app") == "web");
  CHECK(m.pods[0].source.find("\"kind\": \"ReplicaSet\"") != std::string::npos);
}

TEST_CASE("blanking a document keeps every other line where it was") {
  const SourceFile file{"m.yaml", "/",
                        "# a\nkind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n"};
  const auto documents = split_documents(file);
  const std::string rest = blank_document(file.text, documents.at(0));
  CHECK(rest == "\n\n\n---\nkind: B\nmetadata: {name: b}\n");
}

TEST_CASE("a string that looks like a number stays a string when it is written again") {
  const Manifest m = read(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {v: \"1\", t: 'true'}}\nspec:\n"
      "  containers: [{name: x, command: [sleep, \"1000\"], ports: [{containerPort: 80}]}]\n");
  REQUIRE(m.problems.empty());
  Pod pod = m.pods.at(0);
  pod.uid = "u";
  const std::string text = render_pod(pod, {});
  CHECK(read_manifest({{"r.yaml", "/", text}}).problems.empty());
  CHECK(text.find("\"1000\"") != std::string::npos);
  CHECK(text.find("\"containerPort\": 80") != std::string::npos);
}
