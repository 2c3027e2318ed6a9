// The lab's commands, as the CLI calls them. Each returns when it has happened, or a Problem that
// names the next step. Single-threaded processes only: they enter namespaces and fork.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lab/manifest.hpp"
#include "lab/problem.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

struct UpOptions {
  std::string name;
  std::vector<std::string> files;
  bool mesh = true;
  bool keep_failed = false;  // leave what was made when it fails, to look at it
  std::chrono::seconds timeout{60};
  std::vector<std::string> control_flags, agent_flags, ztunnel_flags, waypoint_flags;
};
struct ChangeReport {
  LabState state;
  std::vector<Note> notes;  // diagnostics about the configuration
  double seconds = 0;
};
/// Pods with the same text keep running; a changed one is replaced.
Outcome<ChangeReport> lab_up(const UpOptions& options);
Outcome<ChangeReport> lab_apply(const std::string& name, const std::vector<std::string>& files,
                                bool wait, std::chrono::seconds timeout);
/// The same of files that are nowhere on disk.
Outcome<ChangeReport> lab_apply_files(const std::string& name, const std::vector<SourceFile>& files,
                                      bool wait, std::chrono::seconds timeout);
/// By the files' objects, and by "KIND NS/NAME".
Outcome<ChangeReport> lab_delete(const std::string& name, const std::vector<std::string>& files,
                                 const std::string& kind, const std::string& object, bool wait,
                                 std::chrono::seconds timeout);
/// Removes everything of the lab, also of a broken one; a problem when nothing of it exists.
Outcome<void> lab_down(const std::string& name);
/// Names with anything left: state, cgroup or netns.
std::vector<std::string> labs_with_remains();

/// "NS/POD" (or a Deployment's, or POD in the namespace default) or "node/NAME": becomes `argv`
/// there; returns only on failure.
Problem lab_exec(const std::string& name, const std::string& target, const std::string& container,
                 const std::vector<std::string>& argv);
/// The paths of the logs of "NS/POD" (all containers, or one), "node/NAME" (all components, or
/// one), "control", "supervisor".
Outcome<std::vector<std::string>> lab_logs(const std::string& name, const std::string& target,
                                           const std::string& part);

/// Graceful restart, or SIGKILL, of a node's ztunnel or agent, of control, of a pod's processes, or
/// of all pods of a waypoint (`target` "waypoint", `component` "NS/NAME"), which are restarted one
/// after the other.
/// A ztunnel that runs is not ended: another one takes over, and it drains.
/// A component that is running again is ready when this returns; after `kill` nothing is awaited
/// but the death.
Outcome<void> lab_restart(const std::string& name, const std::string& target,
                          const std::string& component, std::chrono::seconds timeout);
Outcome<void> lab_kill(const std::string& name, const std::string& target,
                       const std::string& component, bool hold);

/// The running pod that `target` names.
Outcome<Pod> find_pod(const LabState& state, const std::string& target);

}  // namespace culvert::lab
