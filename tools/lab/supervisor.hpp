// The lab's supervisor: a process of one thread that owns all others of the lab. It starts them,
// brings them back, and obeys the commands on supervisor.sock (supervisor_protocol.hpp). It decides
// nothing about the mesh: order and waiting belong to the commands.
#pragma once

#include "lab/names.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

/// Runs until kShutdown or SIGTERM. The caller's process must have one thread.
Outcome<void> supervise(const LabNames& names);

/// How long to wait before the next start. A component comes back after a second. A pod's process
/// that ran for kStableS or longer after one second too, one that keeps failing after 1, 2, 4 ...
/// kBackoffMaxS seconds.
double restart_delay_s(bool component, unsigned failures_in_a_row);
/// restartPolicy Always, OnFailure, Never.
bool should_restart(const std::string& policy, int exit_status);
inline constexpr double kStableS = 10;
inline constexpr double kBackoffMaxS = 30;

}  // namespace culvert::lab
