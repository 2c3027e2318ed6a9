// The settings of a pod's network namespace that capture needs: MPTCP off (its sockets have no BPF
// storage, so getpeername could not answer); the outbound block kept from automatic source ports (a
// socket must not connect to itself); and source ports in TIME_WAIT given out again after a second
// (tcp_tw_reuse=1, ip-sysctl): all clients of an application reach it from ztunnel at the pod's own
// address, which is 28,232 source ports a minute for each port that it serves, and from half of
// that on connect() searches the whole range each time.
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
  std::optional<char> tw_reuse_was;  // '0' or '2'
  std::uint32_t reserved_added = 0;  // bit n: port block_first + n was not reserved before
};

/// Sets all; idempotent (nothing is reported as changed the second time).
Outcome<SysctlChange> prepare_netns(int netns_fd, std::uint16_t block_first);
/// Puts back what `change` says was different before.
Outcome<void> restore_netns(int netns_fd, std::uint16_t block_first, const SysctlChange& change);

}  // namespace culvert::agent
