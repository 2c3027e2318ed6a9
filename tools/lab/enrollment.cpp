// The lab's requests to agent and control over their admin sockets (declared in components.hpp).
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "culvert/admin/http_client.hpp"
#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/netns.hpp"
#include "lab/network.hpp"
#include "lab/supervisor_protocol.hpp"

namespace culvert::lab {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kAckWait{5000};  // for ztunnel's acknowledgment, at the agent
constexpr std::chrono::milliseconds kLookEvery{10};
constexpr std::chrono::milliseconds kSlack{5000};  // our own timeout beyond the peer's

json parse(const std::string& text) {
  json tree = json::parse(text, nullptr, false);
  return tree.is_object() ? tree : json::object();
}

std::string text_at(const json& tree, const char* key) {
  const auto found = tree.find(key);
  return found != tree.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::unexpected<Problem> refused(const std::string& what, const admin::Response& answer) {
  const json tree = parse(answer.body);
  const std::string error = text_at(tree, "error");
  return problem(
      fmt::format("{}: {}", what, error.empty() ? fmt::format("status {}", answer.status) : error),
      text_at(tree, "next"));
}

std::unexpected<Problem> unanswered(const LabState& state, const std::string& what, const Pod& pod,
                                    const Error& error) {
  return problem(fmt::format("{}: {}", what, error.to_string()),
                 fmt::format("see culvert lab logs node/{} agent --name {}", pod.node, state.name));
}

std::string agent_socket(const LabState& state, const Pod& pod) {
  return LabNames(state.name).node_socket(pod.node, "agent.sock");
}

// A diagnostic of control's under the user's own file name. control names files by their path in
// the config folder, so that prefix of "text" is what is replaced.
std::string diagnostic_text(const LabState& state, const json& diagnostic) {
  const std::string file = text_at(diagnostic, "file");
  std::string text = text_at(diagnostic, "text");
  if (!file.empty() && text.starts_with(file))
    text = original_path(state, file) + text.substr(file.size());
  return text;
}

// Nodes whose ztunnel should be, or soon be, connected to control.
std::set<std::string> running_ztunnels(const LabState& state) {
  std::set<std::string> out;
  const auto report = ask_supervisor(LabNames(state.name).supervisor_socket(),
                                     {.op = SupervisorOp::kList}, kAckWait);
  if (!report) return out;
  for (const Node& node : state.objects.nodes)
    for (const ProcessReport& process : report->processes)
      if (process.id == component_id(node.name, "ztunnel") && process.state == "running")
        out.insert(node.name);
  return out;
}

// Those without control's newest generation, with what they said. Control itself counts only the
// connected ones, and after its own restart that is nobody at first.
std::string nodes_behind(const json& tree, const std::set<std::string>& running) {
  std::string out;
  const auto generation = tree.value("generation", json(0));
  for (const json& node : tree.value("nodes", json::array())) {
    const bool connected = node.value("connected", json(false)) == json(true);
    if (!connected && !running.contains(text_at(node, "name"))) continue;
    if (connected && node.value("acked_generation", json(0)) == generation) continue;
    const std::string nack = text_at(node, "last_nack");
    out += fmt::format(" {}{}", text_at(node, "name"), nack.empty() ? "" : " (" + nack + ")");
  }
  for (const json& proxy : tree.value("proxies", json::array())) {
    if (proxy.value("connected", json(false)) != json(true)) continue;
    if (proxy.value("acked_generation", json(0)) == generation) continue;
    out += fmt::format(" {}", text_at(proxy, "name"));
  }
  return out;
}

std::vector<Note> notes_of(const LabState& state, const json& tree) {
  std::vector<Note> out;
  for (const json& diagnostic : tree.value("diagnostics", json::array()))
    out.push_back({diagnostic_text(state, diagnostic), text_at(diagnostic, "severity") == "error"});
  return out;
}

}  // namespace

Outcome<void> enroll(const LabState& state, const Pod& pod) {
  json body{{"uid", pod.uid},
            {"namespace", pod.ns},
            {"name", pod.name},
            {"service_account", pod.service_account},
            {"netns", netns_path(netns_of(LabNames(state.name), pod))}};
  if (!pod.guard.empty()) body["guard"] = pod.guard;
  body["ips"] = json::array();
  for (const IpAddress& ip : pod.ips) body["ips"].push_back(ip.to_string());
  const auto answer = admin::call(agent_socket(state, pod), "POST",
                                  fmt::format("/pods?wait_ms={}", kAckWait.count()), body.dump(),
                                  kAckWait + kSlack);
  const std::string what = fmt::format("enrol pod {} at the agent of {}", pod.key(), pod.node);
  if (!answer) return unanswered(state, what, pod, answer.error());
  if (answer->status != 200) return refused(what, *answer);
  if (text_at(parse(answer->body), "ztunnel") != "acked")
    return problem(
        fmt::format("{}: ztunnel has not taken it within {} ms", what, kAckWait.count()),
        fmt::format("see culvert lab logs node/{} ztunnel --name {}", pod.node, state.name));
  return {};
}

Outcome<void> withdraw(const LabState& state, const Pod& pod) {
  const auto answer =
      admin::call(agent_socket(state, pod), "DELETE", "/pods/" + pod.uid, "", kAckWait + kSlack);
  const std::string what = fmt::format("remove pod {} at the agent of {}", pod.key(), pod.node);
  if (!answer) return unanswered(state, what, pod, answer.error());
  if (answer->status != 200 && answer->status != 404) return refused(what, *answer);
  return {};
}

Outcome<std::vector<Note>> sync_config(const LabState& state, std::chrono::seconds timeout) {
  const LabNames names(state.name);
  const auto end = Clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    const auto wait = std::max(left, std::chrono::milliseconds(1));
    const auto answer =
        admin::call(names.control_admin(), "POST", fmt::format("/sync?timeout_ms={}", wait.count()),
                    "", wait + kSlack);
    if (!answer)
      return problem("control: " + answer.error().to_string(),
                     fmt::format("see culvert lab logs control --name {}", state.name));
    const json tree = parse(answer->body);
    const std::string behind = nodes_behind(tree, running_ztunnels(state));
    if (answer->status == 200 && behind.empty()) return notes_of(state, tree);
    if (Clock::now() >= end)
      return problem(fmt::format("the configuration is not in force after {} s on:{}",
                                 timeout.count(), behind),
                     fmt::format("see culvert lab status --name {}", state.name));
    ::poll(nullptr, 0, static_cast<int>(kLookEvery.count()));
  }
}

}  // namespace culvert::lab
