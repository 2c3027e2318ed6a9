// Where a connection goes: from an original destination to a workload, a port and a tunnel.
// Pure: the snapshot and the balancing state are passed in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {

/// Where each service's rotation stands. One a worker; not thread safe. Bounded: beyond
/// kMaxServices names it starts over.
class RoundRobin {
 public:
  /// The next index below `count` (> 0) for this service.
  std::size_t next(const std::string& service_key, std::size_t count);
  /// A number below `total` (> 0), in turns that spread evenly over all of them.
  std::uint64_t next_weighted(const std::string& service_key, std::uint64_t total);
  static constexpr std::size_t kMaxServices = 65536;

 private:
  std::unordered_map<std::string, std::uint32_t> position_;
};

struct ChosenEndpoint {
  WorkloadPtr workload;
  SocketAddress address;  // workload address and target port
};

/// The next healthy endpoint of `service` that serves `service_port`, each as often as its weight
/// says, preferring an address of the family of `like`. kInvalid: the service has no such port;
/// kNoUpstream: nobody healthy.
Result<ChosenEndpoint> choose_endpoint(const Snapshot& snapshot, const Service& service,
                                       std::uint16_t service_port, const IpAddress& like,
                                       RoundRobin& state);

struct Route {
  enum class Protocol : std::uint8_t {
    kPassthrough,  // nobody that the mesh knows: plain TCP to the original destination
    kPlaintext,    // a known workload, plain TCP
    kHbone,        // CONNECT over mutual TLS
  };
  Protocol protocol = Protocol::kPassthrough;
  SocketAddress next_hop;  // what to connect to: next_hop == target unless kHbone
  SocketAddress target;    // the CONNECT authority when kHbone
  WorkloadPtr workload;    // who answers at next_hop; null for kPassthrough
  ServicePtr service;      // that the client addressed; null when by workload address
  std::vector<Identity> expected_identities;  // kHbone: one of them must be in the certificate
  bool via_waypoint = false;                  // workload is a waypoint of the destination
  bool to_self = false;                       // workload is the source itself
};

/// Whether the ztunnel of `node` connects the two pods in process: a tunnel would lead to the
/// destination itself, on that same node, and `joins` says to. A pod that its own service leads
/// back to is always joined to itself: what it dials at its own address, the tunnel's port too, is
/// not captured (bpf/verdict.h).
bool joins_in_process(const Route& route, std::string_view node, bool joins);

/// Resolves what a captured connection asked for. A VIP leads to an endpoint; a workload's address
/// to that workload; a waypoint in front of either gets the connection unless the source is one
/// of its own workloads; anything else passes through. A waypoint's healthy workloads take turns,
/// but for those whose uid is in `tried_waypoints`. Errors: kNoUpstream (no healthy endpoint,
/// or a waypoint that is gone: refused, never bypassed), kInvalid (no such service port),
/// kNoWorkload (the endpoint has no address).
Result<Route> resolve_destination(const Snapshot& snapshot, const SocketAddress& destination,
                                  const Workload& source, RoundRobin& state,
                                  std::span<const std::string> tried_waypoints = {});

/// The same for who knows the service: `destination` is an address of it, or none where it has
/// none, and its port.
Result<Route> route_to_service(const Snapshot& snapshot, const ServicePtr& service,
                               const SocketAddress& destination, const Workload& source,
                               RoundRobin& state,
                               std::span<const std::string> tried_waypoints = {});

/// The same for who has chosen a workload himself and reaches it at `target`, one of its addresses:
/// by the workload's own waypoint, where it has one. Errors as above.
Result<Route> route_to_workload(const Snapshot& snapshot, const WorkloadPtr& workload,
                                const SocketAddress& target, const Workload& source,
                                RoundRobin& state,
                                std::span<const std::string> tried_waypoints = {});

}  // namespace culvert::mesh
