// What ztunnels and waypoints may ask of the kernel once everything is there: one table of system
// calls for both, to which each adds what it alone needs.
#pragma once

#include <span>
#include <vector>

#include "culvert/sandbox/system_calls.hpp"

namespace culvert::sandbox {

/// The rules of a process of the data plane: what all need, what this one needs (`own`: files that
/// it opens among them, of which the common table allows none), and what ends the process because
/// only who has taken it over would ask: execve, ptrace, mount, namespaces, BPF and the like,
/// unless `own` allows it.
std::vector<Rule> data_plane_rules(std::span<const Rule> own);

}  // namespace culvert::sandbox
