// `culvert lab restart` and `kill`.
#include <fmt/format.h>

#include <algorithm>

#include "lab/components.hpp"
#include "lab/lab.hpp"
#include "lab/supervisor_protocol.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

constexpr std::chrono::seconds kAskTimeout{30};
constexpr std::string_view kNodePrefix = "node/";
constexpr std::string_view kWaypointTarget = "waypoint";

// The supervisor's ids that `target` and `component` mean.
Outcome<std::vector<std::string>> processes_of(const LabState& state, const std::string& target,
                                               const std::string& component) {
  if (target == kControlId) return std::vector<std::string>{kControlId};
  if (target == kWaypointTarget) {
    auto pods = waypoint_pods(state, component);
    if (!pods) return std::unexpected(pods.error());
    std::vector<std::string> out;
    for (const Pod& pod : *pods)
      for (const Container& c : pod.containers)
        out.push_back(fmt::format("pod/{}/{}", pod.key(), c.name));
    return out;
  }
  if (!target.starts_with(kNodePrefix)) {
    auto pod = find_pod(state, target);
    if (!pod) return std::unexpected(pod.error());
    std::vector<std::string> out;
    for (const Container& c : pod->containers)
      if (component.empty() || component == c.name)
        out.push_back(fmt::format("pod/{}/{}", pod->key(), c.name));
    if (out.empty())
      return problem(fmt::format("pod {} has no container {}", pod->key(), component));
    return out;
  }
  if (component == kControlId) return std::vector<std::string>{kControlId};
  if (component != "agent" && component != "ztunnel")
    return problem(fmt::format("\"{}\" is no component of a node", component),
                   "name ztunnel or agent (or the target control)");
  if (!state.mesh)
    return problem(
        fmt::format("lab {} has no {}: it runs with --mesh=none", state.name, component));
  return std::vector{component_id(target.substr(kNodePrefix.size()), component)};
}

Outcome<void> ask_each(const LabState& state, const std::vector<std::string>& ids, SupervisorOp op,
                       bool hold) {
  for (const std::string& id : ids)
    if (auto done = ask_supervisor(LabNames(state.name).supervisor_socket(),
                                   {.op = op, .id = id, .hold = hold}, kAskTimeout);
        !done)
      return problem(fmt::format("{}: {}", id, done.error().text),
                     fmt::format("see culvert lab status --name {}", state.name));
  return {};
}

// A pod of a waypoint, or an edge.
bool is_proxy_pod(const LabState& state, const std::string& target) {
  if (target == kControlId || target.starts_with(kNodePrefix)) return false;
  const auto pod = find_pod(state, target);
  return pod && std::ranges::any_of(pod->containers, &Container::waypoint);
}

// 0: it does not run.
int pid_of(const LabState& state, const std::string& id) {
  const auto report = ask_supervisor(LabNames(state.name).supervisor_socket(),
                                     {.op = SupervisorOp::kList}, kAskTimeout);
  if (!report) return 0;
  const auto found = std::ranges::find(report->processes, id, &ProcessReport::id);
  return found == report->processes.end() ? 0 : found->pid;
}

}  // namespace

Outcome<void> lab_restart(const std::string& name, const std::string& target,
                          const std::string& component, std::chrono::seconds timeout) {
  if (target == kWaypointTarget) return restart_waypoint(name, component, timeout);
  auto state = load_state(LabNames(name));
  if (!state) return std::unexpected(state.error());
  auto ids = processes_of(*state, target, component);
  if (!ids) return std::unexpected(ids.error());
  if (is_proxy_pod(*state, target)) return restart_proxy_pod(name, target, timeout);
  const bool upgrade = target.starts_with(kNodePrefix) && ids->front() != kControlId;
  const int former = upgrade ? pid_of(*state, ids->front()) : 0;
  const auto op = upgrade ? SupervisorOp::kSucceed : SupervisorOp::kRestart;
  if (auto done = ask_each(*state, *ids, op, false); !done) return done;
  if (ids->front() == kControlId) return wait_control_ready(*state, timeout);
  if (!target.starts_with(kNodePrefix)) return {};
  const auto node =
      std::ranges::find(state->objects.nodes, target.substr(kNodePrefix.size()), &Node::name);
  if (node == state->objects.nodes.end()) return {};
  if (component == "agent")
    return former == 0 ? wait_agent_ready(*state, *node, timeout)
                       : wait_agent_succeeded(*state, *node, former, timeout);
  return former == 0 ? wait_ztunnel_ready(*state, *node, timeout)
                     : wait_succeeded(*state, *node, former, timeout);
}

Outcome<void> lab_kill(const std::string& name, const std::string& target,
                       const std::string& component, bool hold) {
  auto state = load_state(LabNames(name));
  if (!state) return std::unexpected(state.error());
  auto ids = processes_of(*state, target, component);
  if (!ids) return std::unexpected(ids.error());
  return ask_each(*state, *ids, SupervisorOp::kKill, hold);
}

}  // namespace culvert::lab
