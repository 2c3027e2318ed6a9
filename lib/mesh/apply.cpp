// Makes the next snapshot from the last one and a delta. Only the touched family of indexes is
// copied; within it only pointers are, never the objects.
#include <algorithm>
#include <map>

#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {

/// Edits copies of the indexes; lives for one apply().
class SnapshotBuilder {
 public:
  using Workloads = Snapshot::Workloads;
  using Services = Snapshot::Services;
  using Policies = Snapshot::Policies;

  static void edit(Workloads& w, const std::vector<std::string>& removed,
                   std::vector<Workload> added);
  static void edit(Services& s, const std::vector<std::string>& removed,
                   std::vector<Service> added);
  static void edit(Policies& p, const std::vector<std::string>& removed, std::vector<Policy> added);

 private:
  using EndpointsByService = std::map<std::string, std::vector<Endpoint>>;

  static std::vector<Endpoint>& opened(const Workloads& w, EndpointsByService& open,
                                       const std::string& service);
  static void remove_workload(Workloads& w, EndpointsByService& open, const std::string& uid);
  static void add_workload(Workloads& w, EndpointsByService& open, WorkloadPtr workload);
  static void remove_service(Services& s, const std::string& key);
  static void remove_policy(Policies& p, const std::string& key);
  static void add_policy(Policies& p, const PolicyPtr& policy);
};

namespace {

/// Removes `value` from the list under `key`, and the list when that was its last.
template <class Map, class Key, class Value>
void drop(Map& map, const Key& key, const Value& value) {
  auto it = map.find(key);
  if (it == map.end()) return;
  std::erase(it->second, value);
  if (it->second.empty()) map.erase(it);
}

void insert_sorted(std::vector<PolicyPtr>& list, const PolicyPtr& policy) {
  auto at =
      std::ranges::upper_bound(list, policy->key(), {}, [](const auto& p) { return p->key(); });
  list.insert(at, policy);
}

}  // namespace

std::vector<Endpoint>& SnapshotBuilder::opened(const Workloads& w, EndpointsByService& open,
                                               const std::string& service) {
  auto [it, fresh] = open.try_emplace(service);
  if (fresh) {
    auto old = w.endpoints.find(service);
    if (old != w.endpoints.end()) it->second = *old->second;
  }
  return it->second;
}

void SnapshotBuilder::remove_workload(Workloads& w, EndpointsByService& open,
                                      const std::string& uid) {
  auto it = w.by_uid.find(uid);
  if (it == w.by_uid.end()) return;
  const WorkloadPtr old = it->second;
  w.by_uid.erase(it);
  for (const auto& ip : old->addresses) drop(w.by_address, NetworkAddress{old->network, ip}, old);
  drop(w.by_name, old->ns + "/" + old->name, old);
  for (const auto& [service, ports] : old->services) {
    std::erase_if(opened(w, open, service), [&](const Endpoint& e) { return e.workload == old; });
  }
}

void SnapshotBuilder::add_workload(Workloads& w, EndpointsByService& open, WorkloadPtr workload) {
  for (const auto& ip : workload->addresses) {
    w.by_address[NetworkAddress{workload->network, ip}].push_back(workload);
  }
  w.by_name[workload->ns + "/" + workload->name].push_back(workload);
  for (const auto& [service, ports] : workload->services) {
    const auto weight = workload->weights.find(service);
    opened(w, open, service)
        .push_back({workload, ports,
                    weight == workload->weights.end() ? workload->capacity : weight->second});
  }
  w.by_uid.insert_or_assign(workload->uid, std::move(workload));
}

void SnapshotBuilder::edit(Workloads& w, const std::vector<std::string>& removed,
                           std::vector<Workload> added) {
  EndpointsByService open;
  for (const auto& name : removed) remove_workload(w, open, name);
  for (auto& workload : added) {
    remove_workload(w, open, workload.uid);
    add_workload(w, open, std::make_shared<const Workload>(std::move(workload)));
  }
  for (auto& [service, list] : open) {
    if (list.empty()) {
      w.endpoints.erase(service);
      continue;
    }
    std::ranges::sort(list, {},
                      [](const Endpoint& e) -> const std::string& { return e.workload->uid; });
    w.endpoints[service] = std::make_shared<const std::vector<Endpoint>>(std::move(list));
  }
}

void SnapshotBuilder::remove_service(Services& s, const std::string& key) {
  auto it = s.by_key.find(key);
  if (it == s.by_key.end()) return;
  const ServicePtr old = it->second;
  s.by_key.erase(it);
  for (const auto& vip : old->vips) drop(s.by_vip, vip, old);
}

void SnapshotBuilder::edit(Services& s, const std::vector<std::string>& removed,
                           std::vector<Service> added) {
  for (const auto& name : removed) remove_service(s, name);
  for (auto& value : added) {
    auto service = std::make_shared<const Service>(std::move(value));
    remove_service(s, service->key());
    for (const auto& vip : service->vips) s.by_vip[vip].push_back(service);
    s.by_key.insert_or_assign(service->key(), std::move(service));
  }
}

void SnapshotBuilder::remove_policy(Policies& p, const std::string& key) {
  auto it = p.by_key.find(key);
  if (it == p.by_key.end()) return;
  const PolicyPtr old = it->second;
  p.by_key.erase(it);
  std::erase(p.global, old);
  drop(p.by_namespace, old->ns, old);
}

void SnapshotBuilder::add_policy(Policies& p, const PolicyPtr& policy) {
  p.by_key.insert_or_assign(policy->key(), policy);
  if (policy->scope == Policy::Scope::kGlobal) insert_sorted(p.global, policy);
  if (policy->scope == Policy::Scope::kNamespace) {
    insert_sorted(p.by_namespace[policy->ns], policy);
  }
}

void SnapshotBuilder::edit(Policies& p, const std::vector<std::string>& removed,
                           std::vector<Policy> added) {
  for (const auto& name : removed) remove_policy(p, name);
  for (auto& value : added) {
    auto policy = std::make_shared<const Policy>(std::move(value));
    remove_policy(p, policy->key());
    add_policy(p, policy);
  }
}

SnapshotPtr apply(const Snapshot& previous, Delta delta) {
  auto next = std::make_shared<Snapshot>(previous);
  next->generation_ = previous.generation_ + 1;
  if (!delta.workloads.empty() || !delta.removed_addresses.empty()) {
    auto w = std::make_shared<Snapshot::Workloads>(*previous.workloads_);
    SnapshotBuilder::edit(*w, delta.removed_addresses, std::move(delta.workloads));
    next->workloads_ = std::move(w);
  }
  if (!delta.services.empty() || !delta.removed_addresses.empty()) {
    auto s = std::make_shared<Snapshot::Services>(*previous.services_);
    SnapshotBuilder::edit(*s, delta.removed_addresses, std::move(delta.services));
    next->services_ = std::move(s);
  }
  if (!delta.policies.empty() || !delta.removed_policies.empty()) {
    auto p = std::make_shared<Snapshot::Policies>(*previous.policies_);
    SnapshotBuilder::edit(*p, delta.removed_policies, std::move(delta.policies));
    next->policies_ = std::move(p);
  }
  return next;
}

}  // namespace culvert::mesh
