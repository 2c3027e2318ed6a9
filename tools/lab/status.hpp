// What state a lab is in, read from lab.json, the supervisor, the agents and control.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lab/problem.hpp"
#include "lab/state.hpp"
#include "lab/supervisor_protocol.hpp"

namespace culvert::lab {

struct PodStatus {
  Pod pod;
  std::vector<ProcessReport> processes;  // one a container
  std::string netns;                     // its path
  std::string enrollment;                // "enrolled", "pending", "failed"; empty: not in the mesh
  std::string error;                     // why enrolment failed, as the agent says
};
struct NodeStatus {
  Node node;
  bool agent_ready = false;
  bool ztunnel_ready = false;
  std::optional<bool> in_force;  // control's newest configuration is acknowledged; nullopt: unknown
  std::string last_nack;
};
/// An object that is not in force as written, as control says it.
struct ConditionStatus {
  std::string kind, ns, name, type, reason, message;
};
struct LabStatus {
  LabState state;
  bool supervised = false;
  bool control_ready = false;
  std::vector<std::string> diagnostics;
  std::vector<ConditionStatus> conditions;
  std::map<std::string, ProcessReport> processes;  // by id, components too
  std::vector<NodeStatus> nodes;
  std::vector<PodStatus> pods;

  /// Everything that should run does, and every meshed pod is enrolled.
  bool healthy() const;
};

Outcome<LabStatus> lab_status(const std::string& name);
/// As `culvert lab status -o json` prints it; README.md has the shape.
std::string status_json(const LabStatus& status);
/// Its "pods" alone.
std::string pods_json(const LabStatus& status);

/// One line a state: "enrolled (its namespace's label ...)" or "not in the mesh: ..." .
std::string mesh_words(const PodStatus& pod);

}  // namespace culvert::lab
