// Is a pod ready? By its readinessProbe, made as a kubelet makes it (from the node's netns and the
// kubelet's cgroup), or without one by its declared ports being listened on.
#pragma once

#include <set>
#include <string_view>

#include "lab/model.hpp"
#include "lab/names.hpp"
#include "lab/process.hpp"

namespace culvert::lab {

/// One look. Forks for probes; for a single-threaded caller. Says nothing about whether the
/// processes run; initialDelaySeconds is the caller's.
bool looks_ready(const LabNames& names, const Pod& pod);
/// The TCP ports in state LISTEN in /proc/net/tcp or tcp6 text (proc(5)).
std::set<std::uint16_t> listening_ports(std::string_view proc_net_tcp);

/// Where a process of the pod runs; `container` may be empty (exec), else its own child cgroup.
Outcome<Surroundings> pod_surroundings(const LabNames& names, const Pod& pod,
                                       const std::string& container);

}  // namespace culvert::lab
