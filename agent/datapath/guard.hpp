// The guard of a pod: bpf/guard.bpf.c on the way out of the interfaces that carry the pod's
// addresses, inside its namespace. Attached by a tcx link that is pinned (6.6), or by a clsact
// qdisc and a filter, which root inside the pod could take away, and the agent puts back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clsact.hpp"
#include "pod_addresses.hpp"
#include "problem.hpp"

namespace culvert::agent {

/// What the guard does with TCP that leaves the pod past ztunnel.
enum class GuardMode : std::uint8_t { kOff, kObserve, kStrict };
const char* guard_mode_name(GuardMode mode);
/// "strict", "observe" or "off".
std::optional<GuardMode> parse_guard_mode(std::string_view text);

/// How guards are attached; clsact is chosen where tcx is missing, or for a test of it.
enum class GuardHook : std::uint8_t { kTcx, kClsact };

struct GuardPlace {
  std::string pins;  // PIN_DIR/guards
  std::uint64_t netns_cookie = 0;
  int netns_fd = -1;  // borrowed for the call; -1: the namespace is gone, or not to be entered
};

/// Attaches the program on each interface (never loopback) that carries one of the addresses;
/// idempotent. Without such an interface nothing can leave with these addresses, and nothing is
/// done. An interface that is no Ethernet device is refused: its frames could not be judged.
/// `change` tells what was added in clsact's way.
Outcome<void> attach_guard(const GuardPlace& place, int program_fd, const PodAddresses& addresses,
                           GuardHook hook, ClsactChange& change);
/// Takes every guard of the pod away; `made_qdisc`: a clsact qdisc was added for it.
Outcome<void> remove_guard(const GuardPlace& place, bool made_qdisc);
/// The pinned links of the pod.
std::vector<std::string> guard_pins(const GuardPlace& place);
/// Those of every pod, by netns cookie: one look at the folder.
std::map<std::uint64_t, std::vector<std::string>> all_guard_pins(const std::string& pins);

}  // namespace culvert::agent
