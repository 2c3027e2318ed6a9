// Waypoints as workloads meet them: who a waypoint is, which one stands in front of a port, and
// what a destination decides about a connection that reaches it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/snapshot.hpp"

namespace culvert::mesh {

/// Waypoints that a request may pass one after another, an edge counted: where rules of two lead to
/// each other's services it ends at the last (508).
inline constexpr std::uint32_t kMaxWaypointsPassed = 4;

/// Whom a waypoint's address names: a service, or the workload there. Both null: nobody is known.
struct Waypoint {
  ServicePtr service;
  WorkloadPtr workload;
};
/// `ns` is whose own service comes first where several have the address.
Waypoint find_waypoint(const Snapshot& snapshot, const GatewayAddress& address,
                       std::string_view ns);
/// All of a waypoint's workloads, healthy or not, in the order of their uids.
std::vector<WorkloadPtr> waypoint_workloads(const Snapshot& snapshot, const Waypoint& waypoint);
/// Whether `workload` is one of the waypoint's.
bool is_of(const Waypoint& waypoint, const Workload& workload);
/// Whether it is one of those of the waypoint at `address`.
bool is_own_waypoint(const Snapshot& snapshot, const GatewayAddress& address,
                     const Workload& workload);
/// "shop/waypoint.shop.svc.cluster.local", or the address: for people.
std::string waypoint_name(const GatewayAddress& address);

/// The waypoints in force on `port` of `workload`: its own, and those of the services of which a
/// port leads there. As a rule none or one; none costs no allocation. They live as long as
/// `snapshot` and `workload`.
std::vector<const GatewayAddress*> waypoints_in_force(const Snapshot& snapshot,
                                                      const Workload& workload, std::uint16_t port);

/// Whether a port with a waypoint in force admits others too.
enum class WaypointBypass : std::uint8_t {
  kRefuse,  // nobody but the waypoint, and nobody when it is gone
  kAllow,   // everybody whom policy allows, as Istio's ztunnel does
};

/// A connection as its destination meets it.
struct Arriving {
  std::optional<Identity> peer;  // proved by certificate, or by being on this node; nullopt: plain
  IpAddress peer_ip;
  SocketAddress destination;  // at the destination workload: its address, the target port
  /// Whom the peer says that it speaks for (x-culvert-source); to be believed of a waypoint only.
  struct Claim {
    Identity identity;
    IpAddress ip;
  };
  std::optional<Claim> claim;
};

struct Admission {
  Verdict verdict;
  Connection asked;          // what policy was asked
  bool by_waypoint = false;  // the peer is the waypoint in force: its claim was believed
};

/// First the waypoint, then policy: where waypoints are in force, an identity of their workloads is
/// admitted and no other, however it dialed (Verdict::Reason::kWaypointOnly). While a service that
/// leads to the port has not arrived, nobody else is (kUnknownService). Such a peer's claim
/// is believed: policy is asked about both identities. What anybody else claims is not looked at.
Admission admit(const Snapshot& snapshot, const Workload& destination, Arriving arriving,
                WaypointBypass bypass);

}  // namespace culvert::mesh
