// What the running kernel offers to capture, found by trying, never by version; and who is on the
// hooks.
#pragma once

#include <string>
#include <vector>

namespace culvert::agent {

struct ProbeRow {
  std::string feature;  // "sk_lookup: bpf_sk_assign"
  bool there = false;
  bool required = false;
  const char* since = "";    // the kernel that brought it
  const char* without = "";  // what Culvert does when it is not there
  std::string detail;        // errno text or the like; may be empty
};
struct HookOrder {
  std::string hook;                   // "connect4"
  std::vector<std::string> programs;  // in the order in which they run; Culvert's start with cv_
  std::string warning;                // empty when nothing stands before Culvert
};
struct ProbeReport {
  std::string kernel, cgroup2, bpffs;  // empty mounts: none
  std::string cgroup;                  // whose hooks `hooks` tells of
  std::vector<ProbeRow> rows;
  std::vector<HookOrder> hooks;
  bool usable() const;                      // everything required is there
  std::vector<ProbeRow> fallbacks() const;  // neither there nor required
};

/// Loads tiny programs, makes small maps, and attaches for a moment to a cgroup and a network
/// namespace of its own. `cgroup` empty: the cgroup2 root. Needs root; leaves nothing behind.
ProbeReport probe(const std::string& cgroup);

/// What this kernel lacks that Culvert does in another way, and in which: a line for the log.
/// Tries only that, in some milliseconds. Needs root; leaves nothing behind.
std::string kernel_line();

}  // namespace culvert::agent
