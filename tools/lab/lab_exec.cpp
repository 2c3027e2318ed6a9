// `culvert lab exec` and `logs`: into a pod or a node, and what they wrote.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "lab/cgroup.hpp"
#include "lab/environment.hpp"
#include "lab/lab.hpp"
#include "lab/netns.hpp"
#include "lab/network.hpp"
#include "lab/readiness.hpp"

namespace culvert::lab {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kNodePrefix = "node/";

std::unexpected<Problem> no_node(const LabState& state, const std::string& name) {
  std::string names;
  for (const Node& node : state.objects.nodes) names += " node/" + node.name;
  return problem(fmt::format("lab {} has no node {}", state.name, name), "its nodes:" + names);
}

const Node* find_node(const LabState& state, std::string_view name) {
  const auto found = std::ranges::find(state.objects.nodes, name, &Node::name);
  return found == state.objects.nodes.end() ? nullptr : &*found;
}

// The caller's environment with the container's on top, as the pod's own process has it.
Outcome<std::vector<std::string>> environment_in(const LabState& state, const Pod& pod,
                                                 const std::string& container) {
  std::map<std::string, std::string> variables;
  const auto add = [&](const std::string& entry) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos) variables[entry.substr(0, equals)] = entry.substr(equals + 1);
  };
  for (char** entry = ::environ; *entry != nullptr; ++entry) add(*entry);
  const auto chosen = std::ranges::find_if(
      pod.containers, [&](const Container& c) { return container.empty() || c.name == container; });
  if (chosen == pod.containers.end())
    return problem(fmt::format("pod {} has no container {}", pod.key(), container),
                   "name one of its containers with -c, or leave -c out");
  const Node* node = find_node(state, pod.node);
  auto command = command_of(*chosen, pod, node == nullptr ? Node{} : *node, variables["PATH"]);
  if (!command) return std::unexpected(command.error());
  for (const std::string& entry : command->environment) add(entry);
  std::vector<std::string> out;
  for (const auto& [name, value] : variables) out.push_back(name + "=" + value);
  return out;
}

}  // namespace

Outcome<Pod> find_pod(const LabState& state, const std::string& target) {
  const std::string key = target.find('/') == std::string::npos ? "default/" + target : target;
  for (const Pod& pod : state.objects.pods)
    if (pod.key() == key) return pod;
  for (const Pod& pod : state.objects.pods)
    if (!pod.owner.empty() && pod.ns + "/" + pod.owner == key) return pod;
  std::string pods;
  for (const Pod& pod : state.objects.pods) pods += " " + pod.key();
  return problem(fmt::format("lab {} has no pod {}", state.name, key), "its pods:" + pods);
}

Problem lab_exec(const std::string& name, const std::string& target, const std::string& container,
                 const std::vector<std::string>& argv) {
  auto state = load_state(LabNames(name));
  if (!state) return state.error();
  const LabNames names(name);
  Surroundings place;
  std::vector<std::string> environment;
  if (target.starts_with(kNodePrefix)) {
    const std::string node = target.substr(kNodePrefix.size());
    if (find_node(*state, node) == nullptr) return no_node(*state, node).error();
    auto cgroup = create_cgroup(names.node_cgroup(node) + "/exec");
    if (!cgroup) return cgroup.error();
    place = {.cgroup = *cgroup, .netns = netns_path(names.node_netns(node))};
    for (char** entry = ::environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  } else {
    auto pod = find_pod(*state, target);
    if (!pod) return pod.error();
    auto inside = pod_surroundings(names, *pod, "");
    if (!inside) return inside.error();
    place = std::move(*inside);
    auto variables = environment_in(*state, *pod, container);
    if (!variables) return variables.error();
    environment = std::move(*variables);
  }
  std::error_code ignored;
  place.working_dir = fs::current_path(ignored).string();
  if (auto entered = enter(place); !entered) {
    Problem why = entered.error();
    why.next = fmt::format("if the lab was damaged: culvert lab down --name {}", name);
    return why;
  }
  return execute(argv, environment);
}

Outcome<std::vector<std::string>> lab_logs(const std::string& name, const std::string& target,
                                           const std::string& part) {
  auto state = load_state(LabNames(name));
  if (!state) return std::unexpected(state.error());
  const LabNames names(name);
  if (target == "control") return std::vector{names.control_log()};
  if (target == "supervisor") return std::vector{names.supervisor_log()};
  std::vector<std::string> out;
  if (target.starts_with(kNodePrefix)) {
    const std::string node = target.substr(kNodePrefix.size());
    if (find_node(*state, node) == nullptr) return no_node(*state, node);
    if (part == "control") return std::vector{names.control_log()};
    for (const char* component : {"agent", "ztunnel", "waypoint"})
      if (part.empty() || part == component) out.push_back(names.node_log(node, component));
    if (out.empty())
      return problem(fmt::format("a node has no component {}", part),
                     "name agent, ztunnel, waypoint or control");
    return out;
  }
  auto pod = find_pod(*state, target);
  if (!pod) return std::unexpected(pod.error());
  for (const Container& c : pod->containers)
    if (part.empty() || part == c.name) out.push_back(names.pod_log(pod->ns, pod->name, c.name));
  if (out.empty()) return problem(fmt::format("pod {} has no container {}", pod->key(), part));
  return out;
}

}  // namespace culvert::lab
