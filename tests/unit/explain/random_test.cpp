// Over random policies: the policies that are listed as looked at are those that decide.
#include <doctest/doctest.h>

#include <random>

#include "small_mesh.hpp"

using namespace culvert;
using namespace culvert::explain;
using testing::SmallMesh;

namespace {

mesh::Match random_match(std::minstd_rand& random) {
  mesh::Match m;
  constexpr const char* kNamespaces[] = {"shop", "bank", "wild"};
  (random() % 2 != 0 ? m.namespaces : m.not_namespaces)
      .push_back({mesh::StringMatch::Kind::kExact, kNamespaces[random() % 3]});
  if (random() % 3 == 0) m.destination_ports.push_back(random() % 2 != 0 ? 8080 : 9090);
  return m;
}

// Istio's order, on what the explanation lists.
std::pair<bool, std::string> decided_by(const std::vector<PolicyCheck>& checks) {
  std::string first_allow;
  bool allows = false;
  for (const auto& c : checks)
    if (c.policy->action == mesh::Policy::Action::kDeny && c.matches)
      return {false, c.policy->key()};
  for (const auto& c : checks) {
    if (c.policy->action != mesh::Policy::Action::kAllow) continue;
    if (c.matches) return {true, c.policy->key()};
    if (!allows) first_allow = c.policy->key();
    allows = true;
  }
  return {!allows, first_allow};
}

}  // namespace

TEST_CASE("the listed policies lead to the verdict, whatever they are") {
  std::minstd_rand random(20251104);  // a fixed seed: a failure comes back
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    SmallMesh mesh;
    for (unsigned i = 0; i < 1 + random() % 4; ++i) {
      const auto scope = static_cast<mesh::Policy::Scope>(random() % 3);
      auto policy = testing::policy(
          random() % 2 != 0 ? mesh::Policy::Action::kAllow : mesh::Policy::Action::kDeny, scope,
          random() % 2 != 0 ? "bank" : "shop", "p" + std::to_string(i), random_match(random));
      if (scope == mesh::Policy::Scope::kWorkload)
        mesh.pods["bank/vault"].policies.push_back(policy.key());
      mesh.policies.push_back(std::move(policy));
    }
    const auto e = mesh.explain(random() % 2 != 0 ? "shop/web" : "wild/outside", "10.0.2.2:8080");
    REQUIRE(e.branches.size() == 1);
    const auto [allowed, policy] = decided_by(e.branches[0].policies);
    CHECK(e.branches[0].verdict->allowed == allowed);
    CHECK(e.branches[0].verdict->policy == policy);
    CHECK(e.outcome == (allowed ? Outcome::kAnswered : Outcome::kReset));
    refused += allowed ? 0 : 1;
  }
  CHECK(refused > 100);
  CHECK(refused < 400);
}
