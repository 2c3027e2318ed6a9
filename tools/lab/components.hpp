// The mesh's own processes in a lab: control, and an agent and a ztunnel on each node. Their flags,
// their readiness, enrolment at the agent, and waiting for a configuration to be in force.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/problem.hpp"
#include "lab/process.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

/// Path of a Culvert program: in $CULVERT_BIN_DIR, else beside this executable, else in the build
/// tree's bin/.
Outcome<std::string> find_program(const std::string& name);

Outcome<ProcessSpec> control_spec(const LabState& state);
Outcome<ProcessSpec> agent_spec(const LabState& state, const Node& node);
Outcome<ProcessSpec> ztunnel_spec(const LabState& state, const Node& node);

/// Mounts the BPF file system at /sys/fs/bpf unless it is; remembers that a lab did.
Outcome<void> mount_bpffs();
/// Removes a lab's pins, and with the last lab the mount that mount_bpffs() made.
Outcome<void> remove_pins(const LabNames& names);

Outcome<void> start_control(const LabState& state);
Outcome<void> start_node(const LabState& state, const Node& node);
Outcome<void> wait_control_ready(const LabState& state, std::chrono::seconds timeout);
Outcome<void> wait_agent_ready(const LabState& state, const Node& node,
                               std::chrono::seconds timeout);
Outcome<void> wait_ztunnel_ready(const LabState& state, const Node& node,
                                 std::chrono::seconds timeout);

/// After a successor was started: waits until it serves in the place of process `former`.
Outcome<void> wait_succeeded(const LabState& state, const Node& node, int former,
                             std::chrono::seconds timeout);

/// The same of an agent, which ends when its successor serves.
Outcome<void> wait_agent_succeeded(const LabState& state, const Node& node, int former,
                                   std::chrono::seconds timeout);

/// ztunnel's readiness, asked in the node's netns.
bool ztunnel_ready(const LabNames& names, const Node& node);

/// The agent captures the pod and hands it to ztunnel; returns when ztunnel has acknowledged it.
Outcome<void> enroll(const LabState& state, const Pod& pod);
Outcome<void> withdraw(const LabState& state, const Pod& pod);

/// Makes control read the folder and waits until every node has acknowledged it. Returns warnings
/// and errors about objects, under the user's own file names.
Outcome<std::vector<Note>> sync_config(const LabState& state, std::chrono::seconds timeout);

/// Ids at the supervisor.
std::string component_id(const std::string& node, const std::string& component);
inline constexpr const char* kControlId = "control";

}  // namespace culvert::lab
