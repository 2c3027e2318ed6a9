// A pod's life in a lab, step by step; the commands (lab_up.cpp, lab_apply.cpp) put the steps in
// order: network, enrolment, processes, readiness.
#pragma once

#include <chrono>

#include "lab/problem.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

/// Hosts files of all pods, written in place: running pods see the change.
Outcome<void> write_hosts(const LabState& state);
/// Its netns, routes, cgroup and hosts file.
Outcome<void> prepare_pod(const LabState& state, const Pod& pod);
Outcome<void> start_pod(const LabState& state, const Pod& pod);
/// Ends its processes in order, and starts them again where they were.
Outcome<void> restart_pod(const LabState& state, const Pod& pod);
/// Ends its processes and removes what prepare_pod() made.
Outcome<void> remove_pod(const LabState& state, const Pod& pod);

/// Waits until every pod is ready, or has ended in order (restartPolicy Never or OnFailure). As
/// each becomes ready, hosts files and the config folder say so. A problem names the pods that are
/// not ready and shows the end of the first one's log.
Outcome<void> wait_ready(LabState& state, std::chrono::seconds timeout);

/// The last lines of a log file, each indented; empty when there is none.
std::string log_tail(const std::string& path, unsigned lines);

}  // namespace culvert::lab
