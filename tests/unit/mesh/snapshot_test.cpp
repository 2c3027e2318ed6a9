#include <doctest/doctest.h>

#include "sample_mesh.hpp"

using namespace culvert;
using namespace culvert::mesh;
using namespace culvert::mesh::sample;

TEST_CASE("a workload is found by uid, address and name") {
  const auto mesh = mesh_of({pod("a", "10.0.0.1")});
  CHECK(mesh->workload("Kubernetes//Pod/shop/a"));
  CHECK(mesh->workload_at({"", ip("10.0.0.1")}));
  CHECK(mesh->workload_at({"", ip("::ffff:10.0.0.1")}));
  CHECK_FALSE(mesh->workload_at({"other-network", ip("10.0.0.1")}));
  CHECK(mesh->workload_named("shop", "a"));
  CHECK_FALSE(mesh->workload_named("shop", "b"));
}

TEST_CASE("an older snapshot does not see what came later") {
  const auto first = mesh_of({web_pod("a", "10.0.0.1")}, {web_service()});
  Delta delta;
  delta.removed_addresses = {"Kubernetes//Pod/shop/a", kWebKey};
  const auto second = apply(*first, std::move(delta));
  CHECK(first->workload_at({"", ip("10.0.0.1")}));
  CHECK(first->endpoints(kWebKey).size() == 1);
  CHECK_FALSE(second->workload_at({"", ip("10.0.0.1")}));
  CHECK_FALSE(second->service(kWebKey));
  CHECK(second->endpoints(kWebKey).empty());
  CHECK(second->generation() == first->generation() + 1);
}

TEST_CASE("what a delta does not touch is shared with the snapshot before") {
  const auto first = mesh_of({pod("a", "10.0.0.1")}, {web_service()});
  Delta delta;
  delta.workloads = {pod("b", "10.0.0.2")};
  const auto second = apply(*first, std::move(delta));
  CHECK(first->workload("Kubernetes//Pod/shop/a") == second->workload("Kubernetes//Pod/shop/a"));
  CHECK(first->service(kWebKey) == second->service(kWebKey));
}

TEST_CASE("a workload that changes its address leaves the old one") {
  const auto first = mesh_of({pod("a", "10.0.0.1")});
  Delta delta;
  delta.workloads = {pod("a", "10.0.0.2")};
  const auto second = apply(*first, std::move(delta));
  CHECK_FALSE(second->workload_at({"", ip("10.0.0.1")}));
  CHECK(second->workload_at({"", ip("10.0.0.2")}));
}

TEST_CASE("an address reused before the old pod's removal belongs to the new pod") {
  auto mesh = mesh_of({pod("old", "10.0.0.1")});
  Delta reuse;
  reuse.workloads = {pod("new", "10.0.0.1")};
  mesh = apply(*mesh, std::move(reuse));
  CHECK(mesh->workload_at({"", ip("10.0.0.1")})->name == "new");
  Delta removal;
  removal.removed_addresses = {"Kubernetes//Pod/shop/old"};
  mesh = apply(*mesh, std::move(removal));
  CHECK(mesh->workload_at({"", ip("10.0.0.1")})->name == "new");
}

TEST_CASE("a pod's own address is preferred to one on the host's network") {
  auto host = pod("host", "10.0.0.1");
  host.host_network = true;
  const auto mesh = mesh_of({pod("own", "10.0.0.1"), host});
  CHECK(mesh->workload_at({"", ip("10.0.0.1")})->name == "own");
}

TEST_CASE("a pod is preferred to what others say to be at its address or to have its name") {
  auto said = pod("a", "10.0.0.1");
  said.uid = "Kubernetes/networking.istio.io/ServiceEntry/evil/a/10.0.0.1";
  const auto mesh = mesh_of({pod("a", "10.0.0.1"), said});
  CHECK(mesh->workload_at({"", ip("10.0.0.1")})->uid == "Kubernetes//Pod/shop/a");
  CHECK(mesh->workload_named("shop", "a")->uid == "Kubernetes//Pod/shop/a");
  const auto alone = mesh_of({said});
  CHECK(alone->workload_at({"", ip("10.0.0.1")})->uid == said.uid);
  CHECK(alone->workload_named("shop", "a")->uid == said.uid);
}

TEST_CASE("endpoints are known before their service and stay in the order of uids") {
  auto mesh = mesh_of({web_pod("b", "10.0.0.2"), web_pod("a", "10.0.0.1")});
  REQUIRE(mesh->endpoints(kWebKey).size() == 2);
  CHECK(mesh->endpoints(kWebKey)[0].workload->name == "a");
  Delta delta;
  delta.workloads = {pod("a", "10.0.0.1")};  // no longer behind the service
  mesh = apply(*mesh, std::move(delta));
  REQUIRE(mesh->endpoints(kWebKey).size() == 1);
  CHECK(mesh->endpoints(kWebKey)[0].workload->name == "b");
}

TEST_CASE("of two services with one VIP the client's namespace is preferred") {
  auto other = web_service();
  other.ns = "other";
  const auto mesh = mesh_of({}, {web_service(), other});
  const NetworkAddress vip{"", ip("10.96.0.1")};
  CHECK(mesh->service_at(vip, "other")->ns == "other");
  CHECK(mesh->service_at(vip, "shop")->ns == "shop");
  CHECK(mesh->service_at(vip, "third")->ns == "other");  // the first by key, in whatever order
  CHECK(mesh_of({}, {other, web_service()})->service_at(vip, "third")->ns == "other");
}

TEST_CASE("a service that is not exported to a namespace is not there for it") {
  auto hidden = web_service();
  hidden.exported_to = {"bank", "other"};
  const auto mesh = mesh_of({}, {hidden});
  const NetworkAddress vip{"", ip("10.96.0.1")};
  CHECK(mesh->service_at(vip, "bank"));
  CHECK(mesh->service_at(vip, "other"));
  CHECK_FALSE(mesh->service_at(vip, "shop"));
  // Another with this address is found behind it.
  auto open = web_service();
  open.ns = "third";
  CHECK(mesh_of({}, {hidden, open})->service_at(vip, "shop")->ns == "third");
}

TEST_CASE("an endpoint's weight is its service's own, else its workload's capacity") {
  auto a = web_pod("a", "10.0.0.1");
  a.capacity = 5;
  auto b = a;
  b.uid = "Kubernetes//Pod/shop/b";
  b.weights[kWebKey] = 7;
  const auto mesh = mesh_of({a, b, web_pod("c", "10.0.0.3")}, {web_service()});
  REQUIRE(mesh->endpoints(kWebKey).size() == 3);
  CHECK(mesh->endpoints(kWebKey)[0].weight == 5);
  CHECK(mesh->endpoints(kWebKey)[1].weight == 7);
  CHECK(mesh->endpoints(kWebKey)[2].weight == 1);
}

TEST_CASE("policies are listed by scope in the order of their keys and can change scope") {
  Policy p;
  p.ns = "shop";
  p.name = "b";
  p.scope = Policy::Scope::kNamespace;
  auto q = p;
  q.name = "a";
  auto mesh = mesh_of({}, {}, {p, q});
  REQUIRE(mesh->namespace_policies("shop").size() == 2);
  CHECK(mesh->namespace_policies("shop")[0]->name == "a");
  Delta delta;
  q.scope = Policy::Scope::kGlobal;
  delta.policies = {q};
  delta.removed_policies = {"shop/b"};
  mesh = apply(*mesh, std::move(delta));
  CHECK(mesh->namespace_policies("shop").empty());
  REQUIRE(mesh->global_policies().size() == 1);
  CHECK(mesh->policy("shop/a"));
  CHECK_FALSE(mesh->policy("shop/b"));
}
