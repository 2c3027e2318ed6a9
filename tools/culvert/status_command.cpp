// `culvert status`, `culvert pods` and `culvert lab status`: read-only views of a lab.
#include <fmt/format.h>

#include <algorithm>

#include <cstdio>
#include <memory>

#include "culvert/commands.hpp"
#include "culvert/output.hpp"
#include "culvert/status_command.hpp"
#include "culvert/terminal.hpp"
#include "lab/status.hpp"

namespace culvert::cli {
namespace {

std::string yes_no(bool good, const char* yes, const char* no) {
  return good ? colored(yes, Color::kGreen) : colored(no, Color::kRed);
}

std::string join(const std::vector<IpAddress>& ips) {
  std::string out;
  for (const IpAddress& ip : ips) out += (out.empty() ? "" : ",") + ip.to_string();
  return out.empty() ? "-" : out;
}

std::string state_of(const lab::LabStatus& status, const std::string& id, bool ready) {
  const auto found = status.processes.find(id);
  if (found == status.processes.end()) return colored("absent", Color::kRed);
  const lab::ProcessReport& p = found->second;
  std::string text = p.state != "running" ? p.state : ready ? "ready" : "not ready";
  if (p.restarts != 0) text += fmt::format(" ({} restarts)", p.restarts);
  const auto draining = std::ranges::count_if(
      status.processes, [&](const auto& other) { return other.first.starts_with(id + "/"); });
  if (draining != 0) text += fmt::format(", {} draining", draining);
  const bool good = p.state == "running" && ready;
  return colored(text, good ? Color::kGreen : Color::kRed);
}

std::string pod_state(const lab::PodStatus& pod) {
  unsigned restarts = 0;
  std::string state = pod.pod.ready ? "ready" : "not ready";
  for (const lab::ProcessReport& p : pod.processes) {
    restarts += p.restarts;
    if (p.state != "running") state = fmt::format("{} (exit {})", p.state, p.last_exit);
  }
  if (restarts != 0) state += fmt::format(", {} restarts", restarts);
  return colored(state, state.starts_with("ready") ? Color::kGreen : Color::kYellow);
}

std::string nodes_table(const lab::LabStatus& status) {
  if (!status.state.mesh) {
    Table table({"NODE", "ADDRESSES"});
    for (const auto& n : status.nodes) table.add({n.node.name, join(n.node.ips)});
    return table.to_string();
  }
  Table table({"NODE", "AGENT", "ZTUNNEL", "CONFIGURATION", "ADDRESSES"});
  for (const auto& n : status.nodes) {
    const std::string config = !n.in_force   ? "unknown"
                               : *n.in_force ? colored("in force", Color::kGreen)
                               : n.last_nack.empty()
                                   ? colored("behind", Color::kYellow)
                                   : colored("refused: " + n.last_nack, Color::kRed);
    table.add({n.node.name, state_of(status, "node/" + n.node.name + "/agent", n.agent_ready),
               state_of(status, "node/" + n.node.name + "/ztunnel", n.ztunnel_ready), config,
               join(n.node.ips)});
  }
  return table.to_string();
}

std::string pods_table(const lab::LabStatus& status) {
  Table table({"POD", "NODE", "STATE", "MESH", "ADDRESSES"});
  for (const auto& p : status.pods) {
    const std::string words = lab::mesh_words(p);
    const Color color = words.starts_with("in")    ? Color::kGreen
                        : words.starts_with("out") ? Color::kBold
                                                   : Color::kRed;
    const std::size_t colon = words.find(':');
    table.add({p.pod.key(), p.pod.node, pod_state(p), colored(words.substr(0, colon), color),
               join(p.pod.ips)});
  }
  return table.to_string();
}

void print_configuration(const lab::LabStatus& status) {
  if (!status.diagnostics.empty() || !status.conditions.empty()) fmt::print("\nconfiguration:\n");
  for (const std::string& line : status.diagnostics)
    fmt::print("  {}\n", colored(line, Color::kYellow));
  for (const lab::ConditionStatus& c : status.conditions)
    fmt::print("  {}\n", colored(fmt::format("{} {}/{}: {} is false, {}: {}", c.kind, c.ns, c.name,
                                             c.type, c.reason, c.message),
                                 Color::kYellow));
}

struct ViewOptions {
  std::string name = "default";
  std::string format = "table";
};

std::shared_ptr<ViewOptions> view_options(CLI::App& command) {
  auto options = std::make_shared<ViewOptions>();
  command.add_option("--name", options->name, "the lab")->capture_default_str();
  add_output(&command, options->format);
  return options;
}

}  // namespace

int show_status(const std::string& name, const std::string& format) {
  auto status = lab::lab_status(name);
  if (!status) return fail(status.error());
  if (format != "table") {
    print_document(format, lab::status_json(*status));
    return status->healthy() ? 0 : 1;
  }
  fmt::print("lab {}: {}{}\n", colored(name, Color::kBold),
             yes_no(status->healthy(), "healthy", "not healthy"),
             status->state.mesh ? "" : ", without the mesh");
  if (!status->supervised)
    fmt::print("{}\n  next: culvert lab down --name {}, then up again\n",
               colored("its supervisor is gone: nothing restarts what ends", Color::kRed), name);
  if (!status->state.up) fmt::print("{}\n", colored("up has not reached its end", Color::kYellow));
  if (status->state.mesh)
    fmt::print("control: {}\n", state_of(*status, "control", status->control_ready));
  fmt::print("\n{}\n{}", nodes_table(*status), pods_table(*status));
  print_configuration(*status);
  return status->healthy() ? 0 : 1;
}

void register_status(CLI::App& app) {
  CLI::App* command = app.add_subcommand("status", "health of a mesh's parts on one screen");
  command->footer(
      "Exit status 1 when something is not well.\n\nExamples:\n  culvert status\n"
      "  culvert status --name demo -o json");
  auto options = view_options(*command);
  command->callback([options] { exit_with(show_status(options->name, options->format)); });
}

void register_pods(CLI::App& app) {
  CLI::App* command = app.add_subcommand("pods", "which pods are in the mesh, and why");
  command->footer("Examples:\n  culvert pods\n  culvert pods -o json");
  auto options = view_options(*command);
  command->callback([options] {
    auto status = lab::lab_status(options->name);
    if (!status) return exit_with(fail(status.error()));
    if (options->format != "table") return print_document(options->format, lab::pods_json(*status));
    Table table({"POD", "NODE", "SERVICE ACCOUNT", "MESH"});
    for (const auto& p : status->pods) {
      const std::string words = lab::mesh_words(p);
      const bool bad = words.starts_with("failed") || words.starts_with("pending");
      table.add({p.pod.key(), p.pod.node, p.pod.service_account,
                 colored(words, bad                       ? Color::kRed
                                : words.starts_with("in") ? Color::kGreen
                                                          : Color::kBold)});
    }
    fmt::print("{}", table.to_string());
  });
}

}  // namespace culvert::cli
