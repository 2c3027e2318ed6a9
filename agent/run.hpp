// `culvert-agent run`: builds the node agent's parts, connects them, and waits for the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"
#include "guard.hpp"

namespace culvert::agent {

struct RunSettings {
  std::string node;
  std::string bpf_dir;
  std::string cgroup;
  std::string kubelet_cgroup;  // empty: none
  std::string admin_socket;
  std::string zds_socket;
  std::string state_dir;
  std::uint16_t metrics_port = 0;  // 0: the metrics are on the admin socket alone
  std::uint16_t block_first = 288;
  std::vector<IpPrefix> exclude_ranges;
  std::vector<std::uint16_t> exclude_ports;
  unsigned max_handshakes = 65'536;
  GuardMode guard = GuardMode::kStrict;
};

/// Until SIGTERM or SIGINT, or until a successor has taken over; takes over itself from an agent
/// that serves with the same --state-dir. The exit status. Pins stay: enrolled pods stay captured,
/// and refuse once their ztunnel is gone too. Call from the main thread before any other thread
/// exists.
int run(const RunSettings& settings);

}  // namespace culvert::agent
