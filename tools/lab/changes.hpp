// The steps that `up`, `apply` and `delete` share.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/manifest.hpp"
#include "lab/problem.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

std::string random_uid();
Outcome<std::vector<SourceFile>> read_sources(const std::vector<std::string>& paths);
/// Network, hosts files, enrolment, and then the processes, of pods that are in `state` already.
Outcome<void> start_pods(const LabState& state, const std::vector<Pod>& pods);
/// Waits until pods are ready and the configuration is in force; returns control's diagnostics.
Outcome<std::vector<Note>> settle(LabState& state, bool wait, std::chrono::seconds timeout);

}  // namespace culvert::lab
