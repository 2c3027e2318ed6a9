// TCP connections of a pod that go past ztunnel: made before the pod was enrolled (no hook saw
// them), so neither tunneled nor judged by policy. Found and ended by sock_diag(7) inside the pod's
// namespace. ztunnel's own sockets are told by their BPF storage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"
#include "problem.hpp"

namespace culvert::agent {

inline constexpr std::size_t kMaxOlderSockets = 65'536;  // listed and ended in one go

struct OlderSocket {
  SocketAddress local, remote;
  const char* state = "";  // as ss(8) has it: "ESTAB"
  std::uint32_t uid = 0;   // of its owner
};

/// Descriptors of the maps that tell which connections may go past ztunnel; borrowed.
struct ExemptMaps {
  int mark = -1, listens = -1, exclude = -1, kubelet = -1;
};

/// Connections in either direction, both families, from SYN_SENT to LAST_ACK; without loopback, the
/// pod's own address, link-local and excluded destinations, and the kubelet's.
Outcome<std::vector<OlderSocket>> older_sockets(int netns_fd, const ExemptMaps& maps);

struct EndedSockets {
  std::size_t ended = 0, left = 0;
  bool unsupported = false;  // the kernel has no SOCK_DESTROY: the guard alone stops them
};
/// Ends them: the application sees ECONNABORTED, the peer an RST.
Outcome<EndedSockets> end_older_sockets(int netns_fd, const ExemptMaps& maps);

}  // namespace culvert::agent
