// `culvert-agent run`: the command line of the node agent.
#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "datapath.hpp"
#include "run.hpp"

namespace culvert::agent {
namespace {

struct Options {
  RunSettings settings;
  std::string block = "288-303";
  std::vector<std::string> exclude_ranges;
  std::string guard = "strict";
};

constexpr const char* kExamples = R"(
Pins stay when it ends: enrolled pods stay captured, and a new agent goes on with them. Started beside an
agent that serves with the same --state-dir, it takes over from it, and that one ends: an upgrade.

Examples:
  culvert-agent run --node n1 --bpf-dir /sys/fs/bpf/culvert/v1 --cgroup /sys/fs/cgroup \
      --admin-socket /run/culvert/agent.sock --zds-socket /run/culvert/zds.sock \
      --state-dir /var/lib/culvert/agent
  curl --unix-socket /run/culvert/agent.sock http://localhost/pods)";

void add_options(CLI::App& command, Options& options) {
  RunSettings& s = options.settings;
  command.add_option("--node", s.node, "name of this node")->required();
  command.add_option("--bpf-dir", s.bpf_dir, "folder for pins, on a bpf file system")->required();
  command.add_option("--cgroup", s.cgroup, "cgroup2 folder whose processes are captured")
      ->required();
  command.add_option("--admin-socket", s.admin_socket, "Unix socket for POST /pods and its like")
      ->required();
  command.add_option("--zds-socket", s.zds_socket, "Unix socket that ztunnel connects to")
      ->required();
  command.add_option("--state-dir", s.state_dir, "folder for pods.json")->required();
  command.add_option("--kubelet-cgroup", s.kubelet_cgroup,
                     "cgroup2 folder whose probes pass ztunnel by");
  command
      .add_option("--metrics-port", s.metrics_port,
                  "TCP port of the node that serves GET /metrics to Prometheus; 0: none")
      ->capture_default_str();
  command
      .add_option("--outbound-ports", options.block,
                  "16 ports that no pod may serve, from a multiple of 16")
      ->capture_default_str();
  command.add_option("--exclude-cidr", options.exclude_ranges, "destinations to leave alone")
      ->delimiter(',');
  command.add_option("--exclude-port", s.exclude_ports, "destination ports to leave alone")
      ->delimiter(',');
  command
      .add_option("--max-handshakes", s.max_handshakes,
                  "connections between connect() and accept() at once, of all pods; one more is "
                  "refused. Takes effect when nothing is pinned yet")
      ->check(CLI::Range(1U, 1U << 24))
      ->capture_default_str();
  command
      .add_option("--guard", options.guard,
                  "TCP that leaves a pod past ztunnel is dropped (strict), counted (observe) or "
                  "left alone (off); a pod's annotation culvert.io/guard overrides it")
      ->check(CLI::IsMember({"strict", "observe", "off"}))
      ->capture_default_str();
}

// Turns the texts into values; a CLI::ValidationError says which is wrong.
void read_values(Options& options) {
  const auto block = parse_block(options.block);
  if (!block)
    throw CLI::ValidationError("--outbound-ports",
                               "16 ports that start at a multiple of 16, e.g. 288-303");
  options.settings.block_first = *block;
  options.settings.guard = *parse_guard_mode(options.guard);
  for (const std::string& text : options.exclude_ranges) {
    const auto range = IpPrefix::parse(text);
    if (!range)
      throw CLI::ValidationError("--exclude-cidr", text + " is no range, write e.g. 10.0.0.0/8");
    options.settings.exclude_ranges.push_back(*range);
  }
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Run the node agent until SIGTERM");
  command->footer(kExamples);
  add_options(*command, *options);
  command->callback([options, &exit_code] {
    read_values(*options);
    exit_code = run(options->settings);
  });
}

}  // namespace culvert::agent
