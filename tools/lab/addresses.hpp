// Which addresses a lab uses. Pure: ranges are chosen beside those of the machine, so that a lab
// never shadows an address that a tool on the machine could mean; pods and services are numbered.
#pragma once

#include <set>
#include <vector>

#include "culvert/base/ip.hpp"
#include "lab/model.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

struct AddressPlan {
  IpPrefix fabric_v4, fabric_v6;      // nodes' own addresses
  IpPrefix pods_v4, pods_v6;          // /16 and /48; node n gets the n-th /24 and /64
  IpPrefix services_v4, services_v6;  // ClusterIPs
};
inline constexpr unsigned kNodesMax = 200;        // one third byte of pods_v4 each
inline constexpr unsigned kPodsPerNodeMax = 250;  // of a /24
inline constexpr unsigned kServicesMax = 60000;   // of a /16

/// The first candidate ranges that overlap none of `used`.
Outcome<AddressPlan> choose_ranges(const std::vector<IpPrefix>& used);
/// The networks in this network namespace's route tables, from /proc/net/route and ipv6_route text.
std::vector<IpPrefix> parse_proc_routes(std::string_view route, std::string_view ipv6_route);
bool overlaps(const IpPrefix& a, const IpPrefix& b);
/// The address `offset` above the network's first (offset below 2^32).
IpAddress address_at(const IpPrefix& range, std::uint32_t offset);
/// The n-th sub-range of `length` bits.
IpPrefix subrange(const IpPrefix& range, std::uint8_t length, std::uint32_t n);

/// Hands out addresses that nobody holds.
class AddressPool {
 public:
  explicit AddressPool(AddressPlan plan) : plan_(plan) {}
  const AddressPlan& plan() const { return plan_; }

  /// False when somebody holds it already.
  bool take(const IpAddress& ip) { return taken_.insert(ip).second; }
  void release(const IpAddress& ip) { taken_.erase(ip); }

  Outcome<void> number_node(Node& node, unsigned index);
  /// Gives a pod without addresses one a family out of its node's ranges.
  Outcome<void> number_pod(Pod& pod, const Node& node);
  /// Gives a service that wants ClusterIPs those that it lacks.
  Outcome<void> number_service(Service& service);

 private:
  Outcome<IpAddress> next(const IpPrefix& range, unsigned first, unsigned count, const char* what);

  AddressPlan plan_;
  std::set<IpAddress> taken_;
};

}  // namespace culvert::lab
