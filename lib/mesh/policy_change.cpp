// What a delta can have changed about decisions.
#include "culvert/mesh/policy_change.hpp"

#include <algorithm>

namespace culvert::mesh {
namespace {

bool decides_alike(const Policy& a, const Policy& b) {
  return (a.dry_run && b.dry_run) || a == b;
}

void note(PolicyChange& change, const Policy& policy) {
  if (policy.scope == Policy::Scope::kGlobal) change.everywhere = true;
  if (policy.scope == Policy::Scope::kNamespace) change.namespaces.insert(policy.ns);
  change.policies.insert(policy.key());
}

bool decided_alike(const Workload& a, const Workload& b) {
  return a.ns == b.ns && a.policies == b.policies && a.trust_domain == b.trust_domain &&
         a.service_account == b.service_account;
}

}  // namespace

bool PolicyChange::empty() const {
  return !everywhere && namespaces.empty() && policies.empty() && workloads.empty();
}

bool PolicyChange::concerns(const Workload& destination) const {
  return everywhere || namespaces.contains(destination.ns) || workloads.contains(destination.uid) ||
         (!policies.empty() && std::ranges::any_of(destination.policies, [this](const auto& key) {
           return policies.contains(key);
         }));
}

void PolicyChange::merge(PolicyChange other) {
  everywhere = everywhere || other.everywhere;
  namespaces.merge(other.namespaces);
  policies.merge(other.policies);
  workloads.merge(other.workloads);
}

PolicyChange policy_change(const Snapshot& before, const Snapshot& after) {
  PolicyChange change;
  if (before.policies_ != after.policies_) {
    for (const auto& [key, policy] : after.policies_->by_key) {
      const auto old = before.policy(key);
      if (old == policy || (old && decides_alike(*old, *policy))) continue;
      note(change, *policy);
      if (old) note(change, *old);  // its scope may have been another
    }
    for (const auto& [key, policy] : before.policies_->by_key) {
      if (!after.policies_->by_key.contains(key)) note(change, *policy);
    }
  }
  if (before.workloads_ != after.workloads_) {
    for (const auto& [uid, workload] : after.workloads_->by_uid) {
      const auto old = before.workload(uid);
      if (old == workload || (old && decided_alike(*old, *workload))) continue;
      change.workloads.insert(uid);
    }
  }
  return change;
}

}  // namespace culvert::mesh
