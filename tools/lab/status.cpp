#include "lab/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "culvert/admin/http_client.hpp"
#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/netns.hpp"
#include "lab/network.hpp"

namespace culvert::lab {
namespace {

using nlohmann::json;
constexpr std::chrono::milliseconds kAskTimeout{2000};

// The body of a GET as JSON; nullopt when nobody answers.
std::optional<json> get(const std::string& socket, const std::string& target) {
  const auto answer = admin::call(socket, "GET", target, "", kAskTimeout);
  if (!answer || answer->status != 200) return std::nullopt;
  json tree = json::parse(answer->body, nullptr, false);
  if (tree.is_discarded()) return std::nullopt;
  return tree;
}

std::string text_at(const json& tree, const char* key) {
  const auto found = tree.find(key);
  return found != tree.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::vector<ConditionStatus> unmet_conditions(const json& status) {
  std::vector<ConditionStatus> out;
  for (const json& c : status.value("conditions", json::array())) {
    if (c.value("status", json(true)) != json(false)) continue;
    out.push_back({text_at(c, "kind"), text_at(c, "namespace"), text_at(c, "name"),
                   text_at(c, "type"), text_at(c, "reason"), text_at(c, "message")});
  }
  return out;
}

json condition_json(const ConditionStatus& c) {
  return {{"kind", c.kind}, {"namespace", c.ns},  {"name", c.name},
          {"type", c.type}, {"reason", c.reason}, {"message", c.message}};
}

void read_control(LabStatus& out, const LabNames& names) {
  out.control_ready = get(names.control_admin(), "/healthz/ready").has_value() ||
                      get(names.control_admin(), "/status").has_value();
  const auto status = get(names.control_admin(), "/status");
  if (!status || !status->is_object()) return;
  for (const json& diagnostic : status->value("diagnostics", json::array())) {
    const std::string file = text_at(diagnostic, "file"), text = text_at(diagnostic, "text");
    const bool prefixed = !file.empty() && text.starts_with(file);
    out.diagnostics.push_back(prefixed ? original_path(out.state, file) + text.substr(file.size())
                                       : text);
  }
  out.conditions = unmet_conditions(*status);
  const json generation = status->value("generation", json(0));
  for (const json& node : status->value("nodes", json::array())) {
    const auto found = std::ranges::find_if(
        out.nodes, [&](const NodeStatus& n) { return n.node.name == text_at(node, "name"); });
    if (found == out.nodes.end()) continue;
    found->in_force = node.value("connected", json(false)) == json(true) &&
                      node.value("acked_generation", json(-1)) == generation;
    found->last_nack = text_at(node, "last_nack");
  }
}

void read_node(LabStatus& out, const LabNames& names, NodeStatus& node) {
  const std::string agent = names.node_socket(node.node.name, "agent.sock");
  const auto ready = admin::call(agent, "GET", "/healthz/ready", "", kAskTimeout);
  node.agent_ready = ready && ready->status == 200;
  node.ztunnel_ready = ztunnel_ready(names, node.node);
  const auto pods = get(agent, "/pods");
  if (!pods || !pods->is_array()) return;
  for (const json& entry : *pods)
    for (PodStatus& pod : out.pods) {
      if (pod.pod.uid != text_at(entry, "uid")) continue;
      pod.error = text_at(entry, "error");
      pod.enrollment = !pod.error.empty()                     ? "failed"
                       : text_at(entry, "ztunnel") == "acked" ? "enrolled"
                                                              : "pending";
    }
}

json process_json(const ProcessReport& p) {
  return {{"id", p.id},
          {"state", p.state},
          {"pid", p.pid},
          {"restarts", p.restarts},
          {"last_exit", p.last_exit},
          {"uptime_s", p.uptime_s}};
}

json ips_json(const std::vector<IpAddress>& ips) {
  json out = json::array();
  for (const IpAddress& ip : ips) out.push_back(ip.to_string());
  return out;
}

json pod_json(const PodStatus& status) {
  const Pod& pod = status.pod;
  json out{{"namespace", pod.ns},
           {"name", pod.name},
           {"uid", pod.uid},
           {"node", pod.node},
           {"service_account", pod.service_account},
           {"ips", ips_json(pod.ips)},
           {"netns", status.netns},
           {"ready", pod.ready},
           {"meshed", pod.meshed()},
           {"reason", membership_reason(pod.membership)},
           {"enrollment", status.enrollment},
           {"error", status.error},
           {"processes", json::array()}};
  for (const ProcessReport& p : status.processes) out["processes"].push_back(process_json(p));
  return out;
}

}  // namespace

bool LabStatus::healthy() const {
  if (!supervised || !state.up) return false;
  const bool running = std::ranges::all_of(processes, [](const auto& entry) {
    const std::string& state = entry.second.state;
    return state == "running" || state == "ended" || state == "draining";
  });
  if (!state.mesh) return running;
  const bool nodes_ready = std::ranges::all_of(nodes, [](const NodeStatus& n) {
    return n.agent_ready && n.ztunnel_ready && n.in_force.value_or(false);
  });
  const bool enrolled = std::ranges::all_of(
      pods, [](const PodStatus& p) { return !p.pod.meshed() || p.enrollment == "enrolled"; });
  return running && control_ready && nodes_ready && enrolled;
}

std::string mesh_words(const PodStatus& status) {
  const std::string reason = membership_reason(status.pod.membership);
  if (!status.pod.meshed()) return "out: " + reason;
  if (status.enrollment == "enrolled") return "in: " + reason;
  if (status.enrollment == "failed") return "failed: " + status.error;
  if (status.enrollment == "pending") return "pending: ztunnel has not acknowledged it";
  return "pending: its agent does not know it";
}

Outcome<LabStatus> lab_status(const std::string& name) {
  const LabNames names(name);
  auto state = load_state(names);
  if (!state) return std::unexpected(state.error());
  LabStatus out;
  out.state = std::move(*state);
  if (auto answer =
          ask_supervisor(names.supervisor_socket(), {.op = SupervisorOp::kList}, kAskTimeout)) {
    out.supervised = true;
    for (ProcessReport& p : answer->processes) out.processes.emplace(p.id, p);
  }
  for (const Node& node : out.state.objects.nodes) out.nodes.push_back({.node = node});
  for (const Pod& pod : out.state.objects.pods) {
    PodStatus status{.pod = pod, .netns = netns_path(netns_of(names, pod))};
    for (const Container& c : pod.containers)
      if (const auto found = out.processes.find(fmt::format("pod/{}/{}", pod.key(), c.name));
          found != out.processes.end())
        status.processes.push_back(found->second);
    out.pods.push_back(std::move(status));
  }
  if (!out.state.mesh) return out;
  for (NodeStatus& node : out.nodes) read_node(out, names, node);
  read_control(out, names);
  return out;
}

std::string pods_json(const LabStatus& status) {
  json out = json::array();
  for (const PodStatus& pod : status.pods) out.push_back(pod_json(pod));
  return out.dump(2, ' ', false, json::error_handler_t::replace);
}

std::string status_json(const LabStatus& status) {
  json out{{"name", status.state.name},
           {"mesh", status.state.mesh},
           {"up", status.state.up},
           {"healthy", status.healthy()},
           {"supervised", status.supervised},
           {"control_ready", status.control_ready},
           {"diagnostics", status.diagnostics},
           {"conditions", json::array()},
           {"nodes", json::array()},
           {"pods", json::array()},
           {"services", json::array()},
           {"components", json::array()}};
  for (const ConditionStatus& c : status.conditions) out["conditions"].push_back(condition_json(c));
  const LabNames names(status.state.name);
  for (const NodeStatus& n : status.nodes) {
    json node{{"name", n.node.name},
              {"ips", ips_json(n.node.ips)},
              {"netns", netns_path(names.node_netns(n.node.name))}};
    if (status.state.mesh) {
      node["agent_ready"] = n.agent_ready;
      node["ztunnel_ready"] = n.ztunnel_ready;
      node["in_force"] = n.in_force ? json(*n.in_force) : json();
      node["last_nack"] = n.last_nack;
      node["bpf_dir"] = "/sys/fs/bpf/" + names.node_pins(n.node.name);
    }
    out["nodes"].push_back(std::move(node));
  }
  for (const PodStatus& pod : status.pods) out["pods"].push_back(pod_json(pod));
  for (const Service& s : status.state.objects.services)
    out["services"].push_back(
        {{"namespace", s.ns}, {"name", s.name}, {"cluster_ips", ips_json(s.cluster_ips)}});
  for (const auto& [id, p] : status.processes)
    if (!id.starts_with("pod/")) out["components"].push_back(process_json(p));
  return out.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace culvert::lab
