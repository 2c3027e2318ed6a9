#include "lab/components.hpp"
#include "culvert/admin/http_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>

#include "lab/cgroup.hpp"
#include "lab/netns.hpp"
#include "lab/network.hpp"
#include "lab/pods.hpp"
#include "lab/supervisor_protocol.hpp"
#include "lab/tcp_probe.hpp"

namespace culvert::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookEvery{10};
constexpr std::chrono::seconds kAskTimeout{10};
constexpr std::chrono::milliseconds kHealthTimeout{1000};
constexpr std::uint16_t kZtunnelReadyPort = 15021;
constexpr const char* kAgentMetricsPort = "15014";  // as of Istio's node agent
constexpr unsigned kCrashesMax = 3;                 // of a component that never became ready
constexpr unsigned kTailLines = 12;

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = ::environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

std::string bpf_dir(const LabNames& names, const Node& node) {
  return "/sys/fs/bpf/" + names.node_pins(node.name);
}

Outcome<ProcessSpec> component_spec(const LabState& state, std::string id,
                                    const std::string& program, std::vector<std::string> flags,
                                    const std::vector<std::string>& more) {
  auto path = find_program(program);
  if (!path) return std::unexpected(path.error());
  ProcessSpec out{
      .id = std::move(id), .argv = {*path}, .environment = own_environment(), .component = true};
  out.argv.insert(out.argv.end(), flags.begin(), flags.end());
  out.argv.insert(out.argv.end(), more.begin(), more.end());
  return out;
}

Outcome<void> start(const LabState& state, Outcome<ProcessSpec> spec) {
  if (!spec) return std::unexpected(spec.error());
  auto started =
      ask_supervisor(LabNames(state.name).supervisor_socket(),
                     {.op = SupervisorOp::kStart, .spec = std::move(*spec)}, kAskTimeout);
  if (!started) return std::unexpected(started.error());
  return {};
}

// Polls `ready` until it holds; gives up early on a component that keeps dying.
Outcome<void> wait_for(const LabState& state, const std::string& id, const std::string& log,
                       std::chrono::seconds timeout, const std::function<bool()>& ready) {
  const auto end = Clock::now() + timeout;
  std::optional<unsigned> restarts_before;  // those of its life until now say nothing
  while (!ready()) {
    auto report = ask_supervisor(LabNames(state.name).supervisor_socket(),
                                 {.op = SupervisorOp::kList}, kAskTimeout);
    if (!report) return std::unexpected(report.error());
    const auto process = std::ranges::find(report->processes, id, &ProcessReport::id);
    const unsigned restarts = process == report->processes.end() ? 0 : process->restarts;
    if (!restarts_before) restarts_before = restarts;
    const bool dying = restarts >= *restarts_before + kCrashesMax;
    if (dying || Clock::now() >= end)
      return problem(fmt::format("{} {}\nthe end of its log:\n{}", id,
                                 dying ? "keeps ending"
                                       : fmt::format("is not ready after {} s", timeout.count()),
                                 log_tail(log, kTailLines)),
                     "see all of its log: " + log);
    ::poll(nullptr, 0, static_cast<int>(kLookEvery.count()));
  }
  return {};
}

bool healthy(const std::string& admin_socket) {
  const auto answer = admin::call(admin_socket, "GET", "/healthz/ready", "", kHealthTimeout);
  return answer && answer->status == 200;
}

}  // namespace

bool ztunnel_ready(const LabNames& names, const Node& node) {
  auto netns = open_netns(names.node_netns(node.name));
  if (!netns) return false;
  auto inside = NetnsScope::enter(netns->get());
  if (!inside) return false;
  return http_get({IpAddress::v4(127, 0, 0, 1), kZtunnelReadyPort}, "/healthz/ready", {},
                  kHealthTimeout) == 200;
}

std::string component_id(const std::string& node, const std::string& component) {
  return fmt::format("node/{}/{}", node, component);
}

Outcome<std::string> find_program(const std::string& name) {
  std::error_code ignored;
  const fs::path own = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::vector<fs::path> folders;
  if (const char* set = std::getenv("CULVERT_BIN_DIR"); set != nullptr) folders.emplace_back(set);
  folders.push_back(own);
  folders.push_back(own / "../../bin");
  for (const fs::path& folder : folders)
    if (::access((folder / name).c_str(), X_OK) == 0)
      return fs::canonical(folder / name, ignored).string();
  return problem(fmt::format("the program {} is not beside {}", name, own.string()),
                 "build it with ./dev build, or set CULVERT_BIN_DIR");
}

Outcome<ProcessSpec> control_spec(const LabState& state) {
  const LabNames names(state.name);
  auto spec = component_spec(state, kControlId, "culvert-control",
                             {"--config-dir", names.config_dir(),             //
                              "--socket-dir", names.control_sockets(),        //
                              "--state-dir", names.control_dir() + "/state",  //
                              "--admin-socket", names.control_admin()},
                             state.control_flags);
  auto cgroup = create_cgroup(names.cgroup());
  if (!cgroup) return std::unexpected(cgroup.error());
  if (!spec) return spec;
  // Its cgroup is the lab's own child, beside the nodes': "." cannot be a node's name.
  spec->surroundings = {.cgroup = *cgroup + "/.control",
                        .netns = netns_path(names.control_netns())};
  spec->log = names.control_log();
  return spec;
}

static Outcome<ProcessSpec> on_node(const LabNames& names, const Node& node, const char* component,
                                    Outcome<ProcessSpec> spec) {
  auto cgroup = create_cgroup(fmt::format("{}/system/{}", names.node_cgroup(node.name), component));
  if (!cgroup) return std::unexpected(cgroup.error());
  if (!spec) return spec;
  spec->surroundings = {.cgroup = *cgroup, .netns = netns_path(names.node_netns(node.name))};
  spec->log = names.node_log(node.name, component);
  return spec;
}

Outcome<ProcessSpec> agent_spec(const LabState& state, const Node& node) {
  const LabNames names(state.name);
  auto root = create_cgroup(names.node_cgroup(node.name));
  auto kubelet = create_cgroup(names.node_cgroup(node.name) + "/kubelet");
  if (!root || !kubelet) return std::unexpected(!root ? root.error() : kubelet.error());
  return on_node(names, node, "agent",
                 component_spec(state, component_id(node.name, "agent"), "culvert-agent",
                                {"run",                                                         //
                                 "--node", node.name,                                           //
                                 "--bpf-dir", bpf_dir(names, node),                             //
                                 "--cgroup", *root,                                             //
                                 "--kubelet-cgroup", *kubelet,                                  //
                                 "--admin-socket", names.node_socket(node.name, "agent.sock"),  //
                                 "--zds-socket", names.node_socket(node.name, "zds.sock"),      //
                                 "--state-dir", names.node_socket(node.name, "state"),          //
                                 "--metrics-port", kAgentMetricsPort},
                                state.agent_flags));
}

Outcome<ProcessSpec> ztunnel_spec(const LabState& state, const Node& node) {
  const LabNames names(state.name);
  return on_node(names, node, "ztunnel",
                 component_spec(state, component_id(node.name, "ztunnel"), "culvert-ztunnel",
                                {"--node", node.name,                                       //
                                 "--bpf-dir", bpf_dir(names, node),                         //
                                 "--zds-socket", names.node_socket(node.name, "zds.sock"),  //
                                 "--control-socket", names.node_socket(node.name, "control.sock"),
                                 "--state-dir", names.node_socket(node.name, "ztunnel")},
                                state.ztunnel_flags));
}

Outcome<void> start_control(const LabState& state) {
  const LabNames names(state.name);
  for (const char* folder : {"/sockets", "/state"})
    if (auto made = make_dirs(names.control_dir() + folder, 0700); !made)
      return problem(made.error().to_string());
  return start(state, control_spec(state));
}

Outcome<void> start_node(const LabState& state, const Node& node) {
  const LabNames names(state.name);
  for (const char* folder : {"state", "ztunnel"})
    if (auto made = make_dirs(names.node_socket(node.name, folder), 0700); !made)
      return problem(made.error().to_string());
  std::error_code error;
  const std::string link = names.node_socket(node.name, "control.sock");
  fs::remove(link, error);
  fs::create_symlink(fmt::format("{}/{}.sock", names.control_sockets(), node.name), link, error);
  if (error) return problem(fmt::format("create {}: {}", link, error.message()));
  if (auto started = start(state, agent_spec(state, node)); !started) return started;
  return start(state, ztunnel_spec(state, node));
}

Outcome<void> wait_control_ready(const LabState& state, std::chrono::seconds timeout) {
  const LabNames names(state.name);
  return wait_for(state, kControlId, names.control_log(), timeout,
                  [&] { return healthy(names.control_admin()); });
}

Outcome<void> wait_agent_ready(const LabState& state, const Node& node,
                               std::chrono::seconds timeout) {
  const LabNames names(state.name);
  return wait_for(state, component_id(node.name, "agent"), names.node_log(node.name, "agent"),
                  timeout, [&] { return healthy(names.node_socket(node.name, "agent.sock")); });
}

Outcome<void> wait_ztunnel_ready(const LabState& state, const Node& node,
                                 std::chrono::seconds timeout) {
  const LabNames names(state.name);
  return wait_for(state, component_id(node.name, "ztunnel"), names.node_log(node.name, "ztunnel"),
                  timeout, [&] { return ztunnel_ready(names, node); });
}

Outcome<void> wait_agent_succeeded(const LabState& state, const Node& node, int former,
                                   std::chrono::seconds timeout) {
  const LabNames names(state.name);
  return wait_for(
      state, component_id(node.name, "agent"), names.node_log(node.name, "agent"), timeout, [&] {
        return ::kill(former, 0) != 0 && healthy(names.node_socket(node.name, "agent.sock"));
      });
}

// A ztunnel that drains has moved its socket (ztunnel/handover).
Outcome<void> wait_succeeded(const LabState& state, const Node& node, int former,
                             std::chrono::seconds timeout) {
  const LabNames names(state.name);
  const std::string moved =
      names.node_socket(node.name, "ztunnel") + fmt::format("/draining/{}.sock", former);
  return wait_for(state, component_id(node.name, "ztunnel"), names.node_log(node.name, "ztunnel"),
                  timeout, [&] {
                    const bool over = ::access(moved.c_str(), F_OK) == 0 || ::kill(former, 0) != 0;
                    return over && ztunnel_ready(names, node);
                  });
}

}  // namespace culvert::lab
