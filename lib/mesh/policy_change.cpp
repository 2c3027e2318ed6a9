// What a delta can have changed about decisions.
#include "culvert/mesh/policy_change.hpp"

#include <algorithm>
#include <unordered_map>

#include "culvert/mesh/waypoint.hpp"

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

std::set<Identity> identities(const Snapshot& snapshot, const GatewayAddress& address) {
  std::set<Identity> out;
  for (const auto& w : waypoint_workloads(snapshot, find_waypoint(snapshot, address, ""))) {
    out.insert(w->identity());
  }
  return out;
}

}  // namespace

/// Whom waypoints that came, went or are others now concern. Lives for one policy_change().
class WaypointChange {
 public:
  WaypointChange(const Snapshot& before, const Snapshot& after, PolicyChange& change)
      : before_(before), after_(after), change_(change) {}

  void note_services() {
    for (const auto& [key, service] : after_.services_->by_key) {
      const auto old = before_.service(key);
      if (old == service) continue;
      if (!old) note_endpoints(key);
      const auto was = old ? old->waypoint : std::nullopt;
      const bool ports = service->waypoint && old && old->ports != service->ports;
      if (was != service->waypoint || ports) note_endpoints(key);
    }
    for (const auto& [key, service] : before_.services_->by_key) {
      if (!after_.service(key)) note_endpoints(key);
    }
  }

  /// `workload` has changed.
  void note_workload(const Workload& old, const Workload& workload) {
    if (old.waypoint != workload.waypoint ||
        served_behind_one(old, before_) != served_behind_one(workload, after_)) {
      change_.workloads.insert(workload.uid);
    }
  }

  /// The identities that a waypoint's workloads have may be others now.
  void note_identities() {
    for (const auto& [key, service] : after_.services_->by_key) {
      if (service->waypoint && is_another(*service->waypoint)) note_endpoints(key);
    }
    for (const auto& [uid, workload] : after_.workloads_->by_uid) {
      if (workload->waypoint && is_another(*workload->waypoint)) change_.workloads.insert(uid);
    }
  }

 private:
  using Served = std::map<std::string_view, std::pair<bool, std::vector<PortMapping>>>;

  // What of its services has a waypoint in front or is not known, which of the two, and the ports.
  static Served served_behind_one(const Workload& workload, const Snapshot& snapshot) {
    Served out;
    for (const auto& [key, ports] : workload.services) {
      const auto service = snapshot.service(key);
      if (!service || service->waypoint) out.emplace(key, std::pair(service != nullptr, ports));
    }
    return out;
  }

  void note_endpoints(std::string_view service) {
    for (const auto* snapshot : {&before_, &after_}) {
      for (const auto& e : snapshot->endpoints(service)) {
        change_.workloads.insert(e.workload->uid);
      }
    }
  }

  bool is_another(const GatewayAddress& address) {
    const auto [at, fresh] = others_.try_emplace(waypoint_name(address));
    if (fresh) at->second = identities(before_, address) != identities(after_, address);
    return at->second;
  }

  const Snapshot& before_;
  const Snapshot& after_;
  PolicyChange& change_;
  std::unordered_map<std::string, bool> others_;  // by name
};

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
  WaypointChange waypoints(before, after, change);
  const bool workloads = before.workloads_ != after.workloads_;
  const bool services = before.services_ != after.services_;
  if (workloads) {
    for (const auto& [uid, workload] : after.workloads_->by_uid) {
      const auto old = before.workload(uid);
      if (old == workload) continue;
      if (!old || !decided_alike(*old, *workload)) {
        change.workloads.insert(uid);
      } else {
        waypoints.note_workload(*old, *workload);
      }
    }
  }
  if (services) waypoints.note_services();
  if (workloads || services) waypoints.note_identities();
  return change;
}

}  // namespace culvert::mesh
