// Links: attaching programs to hooks so that they stay when the agent dies, and come first there.
// Raw bpf(2), because libbpf 1.1 knows no order. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "problem.hpp"

namespace culvert::agent {

/// How a cgroup link was placed among others, best first; each older kernel knows fewer.
enum class Placement { kBefore, kPreorder, kPlain };  // 6.17, 6.15, any
const char* placement_name(Placement placement);

struct HookSpec {
  const char* pin;      // name in PIN_DIR/links/
  const char* program;  // in bpf/
  std::uint32_t attach_type;
};

/// Attaches to a cgroup, first in the order where the kernel can; `placed` tells how.
Outcome<UniqueFd> attach_cgroup(int program_fd, int cgroup_fd, std::uint32_t attach_type,
                                Placement& placed);
/// Attaches sk_lookup to a network namespace.
Outcome<UniqueFd> attach_netns(int program_fd, int netns_fd);
/// Attaches to an interface's way out (tcx, 6.6), before other programs there. The interface is of
/// the calling thread's network namespace. `no_tcx` tells
/// a kernel that has none.
Outcome<UniqueFd> attach_egress(int program_fd, unsigned ifindex, bool& no_tcx);
/// Swaps the link's program; connections see the old or the new one, never none.
Outcome<void> replace_program(int link_fd, int program_fd);
/// Pins, replacing what is pinned at `path` in one step (the old link ends there).
Outcome<void> pin(int fd, const std::string& path);
/// Detaches the link pinned at `path` and removes the pin; true when there was one.
Outcome<bool> remove_link(const std::string& path);

/// Whether the kernel takes a link with this placement; attaches for a moment.
bool can_place(Placement placement, int program_fd, int cgroup_fd, std::uint32_t attach_type);

struct HookPrograms {
  std::vector<std::string> all;     // names, in the order in which they run
  std::vector<std::string> before;  // those that run before ours
  bool ours = false;                // whether ours runs there
};
/// Who runs at a cgroup's hook, ancestors' programs included; ours is `program_id` (0: none).
Outcome<HookPrograms> programs_on(int cgroup_fd, std::uint32_t attach_type,
                                  std::uint32_t program_id);

}  // namespace culvert::agent
