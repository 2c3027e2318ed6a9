#include "lab/changes.hpp"

#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/pods.hpp"

namespace culvert::lab {

Outcome<void> start_pods(const LabState& state, const std::vector<Pod>& pods) {
  for (const Pod& pod : pods)
    if (auto made = prepare_pod(state, pod); !made) return made;
  if (auto written = write_hosts(state); !written) return written;
  for (const Pod& pod : pods) {
    // A meshed pod's first instruction runs after its capture is in place.
    if (pod.meshed())
      if (auto enrolled = enroll(state, pod); !enrolled) return enrolled;
    if (auto started = start_pod(state, pod); !started) return started;
  }
  return {};
}

Outcome<std::vector<Note>> settle(LabState& state, bool wait, std::chrono::seconds timeout) {
  if (auto written = write_objects(state); !written) return std::unexpected(written.error());
  if (!wait) return std::vector<Note>{};
  if (auto ready = wait_ready(state, timeout); !ready) return std::unexpected(ready.error());
  if (!state.mesh) return std::vector<Note>{};
  return sync_config(state, timeout);
}

}  // namespace culvert::lab
