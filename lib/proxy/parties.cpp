#include "culvert/proxy/parties.hpp"

namespace culvert::proxy {

telemetry::Party party_of(const mesh::Workload& w) {
  telemetry::Party party;
  party.workload = w.workload_name.empty() ? w.name : w.workload_name;
  party.pod = w.name;
  party.namespace_name = w.ns;
  party.cluster = w.cluster_id;
  party.canonical_service = w.canonical_name;
  party.canonical_revision = w.canonical_revision;
  party.app = w.canonical_name;
  party.version = w.canonical_revision;
  party.region = w.locality.region;
  party.zone = w.locality.zone;
  return party;
}

Parties::Entry& Parties::entry(const mesh::WorkloadPtr& workload) {
  const auto found = workloads_.find(workload.get());
  if (found != workloads_.end()) return found->second;
  if (workloads_.size() >= kMaxSharedParties) workloads_.clear();
  return workloads_.emplace(workload.get(), Entry{workload, party_of(*workload), {}}).first->second;
}

Parties::Party Parties::of(const mesh::WorkloadPtr& workload, const std::string& identity) {
  Entry& known = entry(workload);
  if (known.proved->identity != identity) {
    telemetry::Party proved = *known.unproved;
    proved.identity = identity;
    known.proved = std::move(proved);
  }
  return known.proved;
}

telemetry::Shared<telemetry::ServiceName> Parties::of(const mesh::ServicePtr& service) {
  const auto found = services_.find(service.get());
  if (found != services_.end()) return found->second.name;
  if (services_.size() >= kMaxSharedParties) services_.clear();
  telemetry::ServiceName name{service->hostname, service->ns, service->name};
  return services_.emplace(service.get(), Service{service, std::move(name)}).first->second.name;
}

void Parties::clear() {
  workloads_.clear();
  services_.clear();
}

}  // namespace culvert::proxy
