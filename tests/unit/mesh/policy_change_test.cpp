// Which decisions a change of snapshots can concern.
#include "culvert/mesh/policy_change.hpp"

#include <doctest/doctest.h>

#include <random>

#include "sample_mesh.hpp"

using namespace culvert;
using namespace culvert::mesh;
using namespace culvert::mesh::sample;
using Names = PolicyChange::Names;

namespace {

Policy policy(const std::string& name, Policy::Scope scope, const std::string& ns = "shop") {
  Policy p;
  p.ns = ns;
  p.name = name;
  p.scope = scope;
  p.action = Policy::Action::kDeny;
  p.rules.emplace_back();
  return p;
}

Workload pod_of(const std::string& ns, const std::string& name,
                std::vector<std::string> policies = {}) {
  auto w = pod(name, "10.0.0.1");
  w.uid = "Kubernetes//Pod/" + ns + "/" + name;
  w.ns = ns;
  w.policies = std::move(policies);
  return w;
}

SnapshotPtr with_policies(const Snapshot& before, std::vector<Policy> policies) {
  Delta delta;
  delta.policies = std::move(policies);
  return apply(before, std::move(delta));
}

SnapshotPtr with_workloads(const Snapshot& before, std::vector<Workload> workloads) {
  Delta delta;
  delta.workloads = std::move(workloads);
  return apply(before, std::move(delta));
}

}  // namespace

TEST_CASE("a policy concerns those whom its scope selects, and nobody else") {
  const auto before = mesh_of({});
  const auto everyone = policy_change(
      *before, *with_policies(*before, {policy("a", Policy::Scope::kGlobal, "root")}));
  CHECK(everyone.concerns(pod_of("shop", "web")));
  CHECK(everyone.concerns(pod_of("bank", "vault")));

  const auto ns =
      policy_change(*before, *with_policies(*before, {policy("a", Policy::Scope::kNamespace)}));
  CHECK(ns.concerns(pod_of("shop", "web")));
  CHECK_FALSE(ns.concerns(pod_of("bank", "vault")));

  const auto some =
      policy_change(*before, *with_policies(*before, {policy("a", Policy::Scope::kWorkload)}));
  CHECK(some.concerns(pod_of("shop", "web", {"shop/a"})));
  CHECK_FALSE(some.concerns(pod_of("shop", "db", {"shop/b"})));
  CHECK_FALSE(some.concerns(pod_of("shop", "cache")));
}

TEST_CASE(
    "a policy that is changed or removed concerns those of its old scope and of its new one") {
  const auto before = mesh_of({}, {}, {policy("a", Policy::Scope::kNamespace)});
  const auto moved =
      policy_change(*before, *with_policies(*before, {policy("a", Policy::Scope::kWorkload)}));
  CHECK(moved.concerns(pod_of("shop", "web")));
  CHECK(moved.concerns(pod_of("bank", "vault", {"shop/a"})));
  Delta removal;
  removal.removed_policies = {"shop/a"};
  const auto removed = policy_change(*before, *apply(*before, std::move(removal)));
  CHECK(removed.namespaces == Names{"shop"});
  CHECK_FALSE(removed.everywhere);
}

TEST_CASE("what was only sent again, dry runs and services concern nobody") {
  auto dry = policy("dry", Policy::Scope::kGlobal);
  dry.dry_run = true;
  const auto before =
      mesh_of({pod_of("shop", "web")}, {}, {policy("a", Policy::Scope::kGlobal), dry});
  dry.rules.clear();
  CHECK(policy_change(*before, *with_policies(*before, {policy("a", Policy::Scope::kGlobal), dry}))
            .empty());
  auto web = pod_of("shop", "web");
  web.healthy = false;
  web.addresses = {ip("10.0.0.7")};
  CHECK(policy_change(*before, *with_workloads(*before, {web})).empty());
  Delta services;
  services.services = {web_service()};
  CHECK(policy_change(*before, *apply(*before, std::move(services))).empty());
  CHECK(policy_change(*before, *before).empty());
}

TEST_CASE("a workload whose policy list or identity changed is concerned, alone") {
  const auto before = mesh_of({pod_of("shop", "web"), pod_of("shop", "db")});
  auto listed = pod_of("shop", "web", {"shop/a"});
  auto renamed = pod_of("shop", "web");
  renamed.service_account = "other";
  for (const auto& changed : {listed, renamed}) {
    const auto change = policy_change(*before, *with_workloads(*before, {changed}));
    CHECK(change.workloads == Names{"Kubernetes//Pod/shop/web"});
    CHECK(change.concerns(changed));
    CHECK_FALSE(change.concerns(pod_of("shop", "db")));
  }
}

TEST_CASE("merged changes concern whom either did") {
  const auto none = mesh_of({});
  auto change =
      policy_change(*none, *with_policies(*none, {policy("a", Policy::Scope::kNamespace)}));
  change.merge(policy_change(
      *none, *with_policies(*none, {policy("b", Policy::Scope::kNamespace, "bank")})));
  CHECK(change.namespaces == Names{"bank", "shop"});
}

TEST_CASE("no decision differs between two snapshots without the change saying so") {
  std::minstd_rand random(4);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const std::array<std::string, 2> namespaces{"shop", "bank"};
  const auto random_policy = [&] {
    auto p = policy("p" + std::to_string(below(4)), static_cast<Policy::Scope>(below(3)),
                    namespaces[below(2)]);
    p.action = static_cast<Policy::Action>(below(2));
    p.dry_run = below(6) == 0;
    p.rules.clear();
    Match m;
    m.namespaces = {{StringMatch::Kind::kExact, namespaces[below(2)]}};
    if (below(3) != 0) p.rules = {Rule{{Clause{{m}}}}};
    return p;
  };
  const auto random_workload = [&] {
    auto w = pod_of(namespaces[below(2)], "w" + std::to_string(below(3)));
    for (unsigned i = below(3); i > 0; --i) {
      w.policies.push_back(namespaces[below(2)] + "/p" + std::to_string(below(4)));
    }
    return w;
  };
  SnapshotPtr now = mesh_of({});
  unsigned differences = 0, spared = 0;
  for (int round = 0; round < 2000; ++round) {
    Delta delta;
    if (below(2) == 0) delta.policies = {random_policy()};
    if (below(3) == 0)
      delta.removed_policies = {namespaces[below(2)] + "/p" + std::to_string(below(4))};
    if (below(2) == 0) delta.workloads = {random_workload()};
    const auto next = apply(*now, std::move(delta));
    const auto change = policy_change(*now, *next);
    for (const auto& was : now->workloads()) {
      const auto is = next->workload(was->uid);
      for (const auto& ns : namespaces) {
        const Connection question{Identity{"cluster.local", ns, "a"}, ip("10.0.0.9"),
                                  at("10.0.0.1:80")};
        const bool differs =
            authorize(*now, *was, question).allowed != authorize(*next, *is, question).allowed;
        differences += differs ? 1 : 0;
        spared += change.concerns(*was) ? 0 : 1;
        if (differs) CHECK(change.concerns(*was));
      }
    }
    now = next;
  }
  CHECK(differences > 100);
  CHECK(spared > 1000);
}
