// What telemetry says of workloads and services, made once and shared by the records of all their
// connections. One a worker, on its thread.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "culvert/mesh/workload.hpp"
#include "culvert/telemetry/connection_record.hpp"

namespace culvert::proxy {

/// Fills what telemetry says of a workload. Identity is set by who verified it.
telemetry::Party party_of(const mesh::Workload& workload);

/// Workloads, and services, that are remembered: what comes beyond starts it over, and records that
/// are made from then on share new copies.
inline constexpr std::size_t kMaxSharedParties = 1024;

class Parties {
 public:
  using Party = telemetry::Shared<telemetry::Party>;

  /// Without an identity.
  Party of(const mesh::WorkloadPtr& workload) { return entry(workload).unproved; }
  /// With the identity that somebody verified.
  Party of(const mesh::WorkloadPtr& workload, const std::string& identity);
  telemetry::Shared<telemetry::ServiceName> of(const mesh::ServicePtr& service);
  /// Remembers nothing; records keep theirs.
  void clear();
  std::size_t size() const { return workloads_.size(); }

 private:
  struct Entry {
    mesh::WorkloadPtr workload;  // keeps the address, which is the key, from being another's
    Party unproved;
    Party proved;  // with the identity that was asked for last
  };
  struct Service {
    mesh::ServicePtr service;
    telemetry::Shared<telemetry::ServiceName> name;
  };
  Entry& entry(const mesh::WorkloadPtr& workload);

  std::unordered_map<const mesh::Workload*, Entry> workloads_;
  std::unordered_map<const mesh::Service*, Service> services_;
};

}  // namespace culvert::proxy
