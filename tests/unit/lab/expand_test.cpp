// Placement: nodes, addresses, and who is in the mesh.
#include "lab/expand.hpp"

#include <doctest/doctest.h>

#include "lab/objects.hpp"

using namespace culvert;
using namespace culvert::lab;

static Outcome<Placement> placed(const std::string& text, bool mesh = true) {
  const Manifest m = read_manifest({{"m.yaml", "/", text}});
  REQUIRE(m.problems.empty());
  AddressPool pool(*choose_ranges({}));
  int next = 0;
  return place(m, {}, mesh, pool, [&] { return "uid-" + std::to_string(++next); });
}

static std::string pod(const std::string& name, const std::string& more = "",
                       const std::string& labels = "", const std::string& status = "") {
  return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
         ", namespace: shop, labels: {" + labels +
         "}}\nspec:\n  containers: [{name: x, command: [a]}]\n" + more + status;
}
static const std::string kNodes =
    "apiVersion: v1\nkind: Node\nmetadata: {name: east}\n---\napiVersion: v1\nkind: "
    "Node\nmetadata: {name: west}\n";

TEST_CASE("a manifest without nodes gets one") {
  const auto out = placed(pod("a"));
  REQUIRE(out);
  REQUIRE(out->nodes.size() == 1);
  CHECK(out->pods[0].node == out->nodes[0].name);
}

TEST_CASE("pods without a nodeName go around, others where they say") {
  const auto out = placed(kNodes + pod("a", "  nodeName: west\n") + pod("b") + pod("c") + pod("d"));
  REQUIRE(out);
  CHECK(out->pods[0].node == "west");
  CHECK(out->pods[1].node == "east");
  CHECK(out->pods[2].node == "east");
  CHECK(out->pods[3].node == "west");
}

TEST_CASE("a nodeName that no Node has is refused by name") {
  const auto out = placed(kNodes + pod("a", "  nodeName: north\n"));
  REQUIRE_FALSE(out);
  CHECK(out.error().text.find("north") != std::string::npos);
}

TEST_CASE("an address in a manifest is never given to another pod first") {
  const auto out = placed(pod("a") + pod("b", "", "", "status: {podIP: 10.244.0.2}\n"));
  REQUIRE(out);
  for (const Pod& p : out->pods)
    CHECK((p.ips.front().to_string() == "10.244.0.2") == (p.name == "b"));
  CHECK_FALSE(placed(pod("a", "", "", "status: {podIP: 10.1.1.1}\n") +
                     pod("b", "", "", "status: {podIP: 10.1.1.1}\n")));
}

TEST_CASE("membership follows Istio's labels") {
  const std::string in =
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio.io/dataplane-mode: "
      "ambient}}\n";
  const std::string out = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
  const auto of = [](const std::string& text, bool mesh = true) {
    return placed(text, mesh)->pods.at(0).membership;
  };
  CHECK(of(in + pod("a")) == Membership::kNamespaceLabel);
  CHECK(of(in + pod("a", "", "istio.io/dataplane-mode: none")) == Membership::kOptedOut);
  CHECK(of(in + pod("a", "  hostNetwork: true\n")) == Membership::kHostNetwork);
  CHECK(of(out + pod("a", "", "istio.io/dataplane-mode: ambient")) == Membership::kPodLabel);
  CHECK(of(out + pod("a")) == Membership::kNoLabel);
  CHECK(of(in + pod("a"), false) == Membership::kMeshOff);
}

TEST_CASE("two pods that would share a netns name are refused") {
  const auto out = placed(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: a-b}\nspec: {containers: [{name: "
      "x, command: "
      "[a]}]}\n---\n"
      "apiVersion: v1\nkind: Pod\nmetadata: {name: b-c, namespace: a}\nspec: {containers: [{name: "
      "x, command: "
      "[a]}]}\n");
  CHECK_FALSE(out);
}

TEST_CASE("what control reads has the pod's node, addresses, readiness and redirection") {
  const auto out = placed(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio.io/dataplane-mode: "
      "ambient}}\n" +
      pod("a"));
  REQUIRE(out);
  Pod p = out->pods[0];
  p.ready = true;
  const std::string text = render_pod(p, out->nodes[0]);
  for (const char* part :
       {"\"uid\": \"uid-1\"", "\"nodeName\": \"node-1\"",
        "\"ambient.istio.io/redirection\": \"enabled\"", "\"podIP\": \"10.244.0.2\"",
        "\"hostIP\": \"172.31.0.10\"", "\"serviceAccountName\": \"default\""})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part);
  for (const auto& d : read_manifest({{"r.yaml", "/", text}}).problems)
    FAIL_CHECK(d.to_string() << " in\n" << text);
}
