// Where a process of the lab runs: cgroup, network namespace and, for pods, a private mount
// namespace with the pod's hosts file. For single-threaded callers (fork, setns, unshare).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "lab/problem.hpp"

namespace culvert::lab {

struct Surroundings {
  std::string cgroup;       // full path; empty: stay
  std::string netns;        // full path; empty: stay
  std::string hosts_file;   // bound over /etc/hosts in a private mount namespace; empty: no such
  std::string host_name;    // with hosts_file only
  std::string working_dir;  // empty: /
  /// Bound over kRunDir with hosts_file, so that nothing else there is seen; empty: no such.
  std::string run_dir;
};

/// Moves the calling process there, for good.
Outcome<void> enter(const Surroundings& surroundings);
/// Replaces the calling process; returns only on failure. argv[0] is looked up in env's PATH.
Problem execute(const std::vector<std::string>& argv, const std::vector<std::string>& environment);

inline constexpr int kStopGraceS = 8;  // beyond the 5 s that ztunnel drains

struct ProcessSpec {
  std::string id;  // "pod/NS/NAME/CONTAINER", "node/NAME/agent", "control"
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  Surroundings surroundings;
  std::string log;                 // standard output and error are appended to it
  std::string restart = "Always";  // Always, OnFailure, Never
  bool component = false;          // restarts after one second, always; else with back-off
  int grace_s = kStopGraceS;       // from SIGTERM to SIGKILL
};

inline constexpr int kCannotStart = 127;  // as a shell says it

/// Starts it in a session of its own and waits for its exec. Why that failed is in the problem and
/// in the log.
Outcome<pid_t> spawn(const ProcessSpec& spec);

}  // namespace culvert::lab
