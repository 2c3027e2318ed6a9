// The addresses by which capture knows a pod: at most one a family.
#pragma once

#include <optional>
#include <span>

#include "culvert/base/ip.hpp"

namespace culvert::agent {

struct PodAddresses {
  std::optional<IpAddress> ip4, ip6;
  bool operator==(const PodAddresses&) const = default;
};
/// The first address of each family.
PodAddresses pod_addresses(std::span<const IpAddress> ips);

}  // namespace culvert::agent
