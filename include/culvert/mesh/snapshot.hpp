// Everything that ztunnel knows of the mesh at one moment. Immutable: readers on any thread hold a
// shared_ptr and never wait; xDS makes the next one with apply().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/workload.hpp"

namespace culvert::mesh {

/// A workload behind a service, with its own port mappings (they win over the service's).
struct Endpoint {
  WorkloadPtr workload;
  std::vector<PortMapping> ports;
  std::uint32_t weight = 1;  // its share of the service's traffic; 0: none
};

/// What changed. An entry with a known key replaces the old one.
struct Delta {
  std::vector<Workload> workloads;
  std::vector<Service> services;
  std::vector<std::string> removed_addresses;  // resource names: a uid or "NAMESPACE/HOSTNAME"
  std::vector<Policy> policies;
  std::vector<std::string> removed_policies;  // "NAMESPACE/NAME"
};

struct PolicyChange;
class WaypointChange;

class Snapshot {
 public:
  Snapshot();  // an empty mesh

  WorkloadPtr workload(std::string_view uid) const;
  /// Of several a pod first, then what is not on the host's network, then what came last.
  WorkloadPtr workload_at(const NetworkAddress& address) const;
  /// By Kubernetes name; of several a pod first, then what came last.
  WorkloadPtr workload_named(std::string_view ns, std::string_view name) const;
  /// By "NAMESPACE/HOSTNAME".
  ServicePtr service(std::string_view key) const;
  /// Of several with this VIP that `client_ns` may see, the one in `client_ns` first, then by key.
  ServicePtr service_at(const NetworkAddress& vip, std::string_view client_ns) const;
  /// Endpoints of a service in the order of their uids; also of a service not yet known.
  std::span<const Endpoint> endpoints(std::string_view service_key) const;
  PolicyPtr policy(std::string_view key) const;
  /// Policies of scope kGlobal, and kNamespace ones of `ns`, in the order of their keys.
  std::span<const PolicyPtr> global_policies() const;
  std::span<const PolicyPtr> namespace_policies(std::string_view ns) const;

  /// All of them, in no order.
  std::vector<WorkloadPtr> workloads() const;
  std::vector<ServicePtr> services() const;
  std::vector<PolicyPtr> policies() const;

  /// Counts the deltas behind this snapshot; a larger number is newer.
  std::uint64_t generation() const { return generation_; }

 private:
  friend class SnapshotBuilder;
  friend std::shared_ptr<const Snapshot> apply(const Snapshot& previous, Delta delta);
  friend PolicyChange policy_change(const Snapshot& before, const Snapshot& after);
  friend class WaypointChange;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  template <class V>
  using ByText = std::unordered_map<std::string, V, TextHash, std::equal_to<>>;
  template <class V>
  using ByAddress = std::unordered_map<NetworkAddress, V, NetworkAddressHash>;

  /// Indexes over workloads; shared between snapshots until a delta touches one.
  struct Workloads {
    ByText<WorkloadPtr> by_uid;
    ByAddress<std::vector<WorkloadPtr>> by_address;  // oldest first
    ByText<std::vector<WorkloadPtr>> by_name;        // "NAMESPACE/NAME", oldest first
    ByText<std::shared_ptr<const std::vector<Endpoint>>> endpoints;
  };
  struct Services {
    ByText<ServicePtr> by_key;
    ByAddress<std::vector<ServicePtr>> by_vip;
  };
  struct Policies {
    ByText<PolicyPtr> by_key;
    std::vector<PolicyPtr> global;
    ByText<std::vector<PolicyPtr>> by_namespace;
  };

  std::shared_ptr<const Workloads> workloads_;
  std::shared_ptr<const Services> services_;
  std::shared_ptr<const Policies> policies_;
  std::uint64_t generation_ = 0;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// The next snapshot. Removals happen before additions, so that an address or name can move in one
/// delta. Cost: a copy of the touched family of indexes (pointers, not objects).
SnapshotPtr apply(const Snapshot& previous, Delta delta);

}  // namespace culvert::mesh
