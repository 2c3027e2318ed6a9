// Lookups in one immutable picture of the mesh.
#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {
namespace {

template <class Map, class Key>
auto find_or_null(const Map& map, const Key& key) {
  auto it = map.find(key);
  return it == map.end() ? typename Map::mapped_type{} : it->second;
}

template <class Map>
auto values(const Map& map) {
  std::vector<typename Map::mapped_type> out;
  out.reserve(map.size());
  for (const auto& [key, value] : map) out.push_back(value);
  return out;
}

std::string joined(std::string_view ns, std::string_view name) {
  std::string key(ns);
  key += '/';
  key += name;
  return key;
}

}  // namespace

namespace {
// Istio's form of a pod's uid: CLUSTER//Pod/NAMESPACE/NAME. What an EndpointSlice or a ServiceEntry
// only says to be at a pod's address, or to have its name, yields to the pod.
bool is_pod(const Workload& workload) {
  return workload.uid.find("//Pod/") != std::string::npos;
}
}  // namespace

Snapshot::Snapshot()
    : workloads_(std::make_shared<Workloads>()),
      services_(std::make_shared<Services>()),
      policies_(std::make_shared<Policies>()) {}

WorkloadPtr Snapshot::workload(std::string_view uid) const {
  return find_or_null(workloads_->by_uid, uid);
}

WorkloadPtr Snapshot::workload_at(const NetworkAddress& address) const {
  auto it = workloads_->by_address.find(address);
  if (it == workloads_->by_address.end()) return nullptr;
  const auto& all = it->second;
  for (auto w = all.rbegin(); w != all.rend(); ++w) {
    if (is_pod(**w) && !(*w)->host_network) return *w;
  }
  for (auto w = all.rbegin(); w != all.rend(); ++w) {
    if (!(*w)->host_network) return *w;
  }
  return all.back();
}

WorkloadPtr Snapshot::workload_named(std::string_view ns, std::string_view name) const {
  auto it = workloads_->by_name.find(joined(ns, name));
  if (it == workloads_->by_name.end()) return nullptr;
  const auto& all = it->second;
  for (auto w = all.rbegin(); w != all.rend(); ++w) {
    if (is_pod(**w)) return *w;
  }
  return all.back();
}

ServicePtr Snapshot::service(std::string_view key) const {
  return find_or_null(services_->by_key, key);
}

ServicePtr Snapshot::service_at(const NetworkAddress& vip, std::string_view client_ns) const {
  auto it = services_->by_vip.find(vip);
  if (it == services_->by_vip.end()) return nullptr;
  ServicePtr first;
  for (const auto& s : it->second) {
    if (!s->visible_to(client_ns)) continue;
    if (s->ns == client_ns) return s;
    if (!first || s->key() < first->key()) first = s;
  }
  return first;
}

std::span<const Endpoint> Snapshot::endpoints(std::string_view service_key) const {
  auto it = workloads_->endpoints.find(service_key);
  if (it == workloads_->endpoints.end()) return {};
  return *it->second;
}

PolicyPtr Snapshot::policy(std::string_view key) const {
  return find_or_null(policies_->by_key, key);
}

std::span<const PolicyPtr> Snapshot::global_policies() const {
  return policies_->global;
}

std::span<const PolicyPtr> Snapshot::namespace_policies(std::string_view ns) const {
  auto it = policies_->by_namespace.find(ns);
  if (it == policies_->by_namespace.end()) return {};
  return it->second;
}

std::vector<WorkloadPtr> Snapshot::workloads() const {
  return values(workloads_->by_uid);
}
std::vector<ServicePtr> Snapshot::services() const {
  return values(services_->by_key);
}
std::vector<PolicyPtr> Snapshot::policies() const {
  return values(policies_->by_key);
}

}  // namespace culvert::mesh
