// The steps that `up`, `apply` and `delete` share.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/manifest.hpp"
#include "lab/problem.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

struct OpenLab {
  LabLock lock;
  LabState state;
};
/// A lab that `up` has finished, locked.
Outcome<OpenLab> open_lab(const std::string& name);
/// Holds every address that the lab has given away.
AddressPool pool_of(const LabState& state);
/// Ends a pod and forgets it.
Outcome<void> take_out(LabState& state, const Pod& pod);
/// Waypoints and edges that are about to end are first no endpoints any more, everywhere: clients
/// choose others while these still serve.
Outcome<void> retire(LabState& state, const std::vector<Pod>& leaving,
                     std::chrono::seconds timeout);

std::string random_uid();
Outcome<std::vector<SourceFile>> read_sources(const std::vector<std::string>& paths);
/// Network, hosts files, enrolment, and then the processes, of pods that are in `state` already.
Outcome<void> start_pods(const LabState& state, const std::vector<Pod>& pods);
/// Waits until pods are ready and the configuration is in force; returns control's diagnostics.
Outcome<std::vector<Note>> settle(LabState& state, bool wait, std::chrono::seconds timeout);

}  // namespace culvert::lab
