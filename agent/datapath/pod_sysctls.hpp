// The two settings of a pod's network namespace that capture needs: MPTCP off (its sockets have no
// BPF storage, so getpeername could not answer), and the outbound block kept from automatic source
// ports (a socket must not connect to itself).
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "problem.hpp"

namespace culvert::agent {

using PortSet = std::bitset<65536>;
/// The kernel's list form: "288-303,8080", empty for none. nullopt when malformed.
std::optional<PortSet> parse_ports(std::string_view text);
std::string format_ports(const PortSet& ports);

/// What changed, so that it can be undone; kept in the pod's map entry.
struct SysctlChange {
  bool mptcp_was_on = false;
  std::uint32_t reserved_added = 0;  // bit n: port block_first + n was not reserved before
};

/// Sets both; idempotent (nothing is reported as changed the second time).
Outcome<SysctlChange> prepare_netns(int netns_fd, std::uint16_t block_first);
/// Puts back what `change` says was different before.
Outcome<void> restore_netns(int netns_fd, std::uint16_t block_first, const SysctlChange& change);

}  // namespace culvert::agent
