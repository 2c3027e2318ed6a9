#include "lab/pods.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "lab/cgroup.hpp"
#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/environment.hpp"
#include "lab/hosts.hpp"
#include "lab/network.hpp"
#include "lab/readiness.hpp"
#include "lab/supervisor_protocol.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookEvery{20};    // listening ports: a read of /proc
constexpr std::chrono::milliseconds kProbeEvery{200};  // probes: a process and a connection each
constexpr std::chrono::seconds kAskTimeout{10};
constexpr int kWaypointGraceS = 30;               // beyond the 25 s that a waypoint drains
constexpr std::chrono::seconds kStopTimeout{40};  // beyond every grace
constexpr unsigned kTailLines = 8;

// Over the same inode: the file is bound into running pods' mount namespaces.
Outcome<void> overwrite(const std::string& path, const std::string& text) {
  if (auto old = read_file(path); old && *old == text) return {};
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd.valid() || ::pwrite(fd.get(), text.data(), text.size(), 0) < 0 ||
      ::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0)
    return system_problem("write " + path, errno);
  return {};
}

const Node& node_of(const LabState& state, const Pod& pod) {
  static const Node kNone;
  const auto found = std::ranges::find(state.objects.nodes, pod.node, &Node::name);
  return found == state.objects.nodes.end() ? kNone : *found;
}

std::string process_id(const Pod& pod, const Container& container) {
  return fmt::format("pod/{}/{}", pod.key(), container.name);
}

Outcome<ProcessSpec> container_spec(const LabState& state, const Pod& pod,
                                    const Container& container) {
  const LabNames names(state.name);
  const char* path = std::getenv("PATH");
  auto command = command_of(container, pod, node_of(state, pod),
                            path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
  if (!command) return std::unexpected(command.error());
  if (container.waypoint) {
    auto program = find_program(kWaypointProgram);
    if (!program) return std::unexpected(program.error());
    std::vector<std::string> argv = waypoint_flags(pod);
    argv.insert(argv.begin(), *program);
    argv.insert(argv.end(), state.waypoint_flags.begin(), state.waypoint_flags.end());
    argv.insert(argv.end(), command->argv.begin(), command->argv.end());
    command->argv = std::move(argv);
  }
  auto place = pod_surroundings(names, pod, container.name);
  if (!place) return std::unexpected(place.error());
  // A relative workingDir, or none, is meant from the manifest's own folder.
  place->working_dir = (std::filesystem::path(pod.folder) / container.working_dir).string();
  return ProcessSpec{.id = process_id(pod, container),
                     .argv = std::move(command->argv),
                     .environment = std::move(command->environment),
                     .surroundings = std::move(*place),
                     .log = names.pod_log(pod.ns, pod.name, container.name),
                     .restart = pod.restart_policy,
                     .grace_s = container.waypoint ? kWaypointGraceS : kStopGraceS};
}

Outcome<SupervisorAnswer> ask(const LabState& state, SupervisorRequest request,
                              std::chrono::seconds timeout = kAskTimeout) {
  return ask_supervisor(LabNames(state.name).supervisor_socket(), request, timeout);
}

enum class Stage { kStarting, kReady, kEnded, kBroken };

// From the supervisor's list and one look at the pod.
Stage stage_of(const LabNames& names, const Pod& pod,
               const std::map<std::string, ProcessReport>& processes, bool may_look) {
  bool all_running = true, all_ended = true;
  for (const Container& container : pod.containers) {
    const auto found = processes.find(process_id(pod, container));
    if (found == processes.end()) return Stage::kBroken;
    const ProcessReport& process = found->second;
    if (process.state != "running" && process.last_exit == kCannotStart) return Stage::kBroken;
    all_running = all_running && process.state == "running";
    all_ended = all_ended && process.state == "ended";
  }
  if (all_ended) return Stage::kEnded;
  return all_running && may_look && looks_ready(names, pod) ? Stage::kReady : Stage::kStarting;
}

bool has_probe(const Pod& pod) {
  return std::ranges::any_of(pod.containers,
                             [](const Container& c) { return c.readiness.has_value(); });
}

std::chrono::seconds initial_delay(const Pod& pod) {
  int out = 0;
  for (const Container& c : pod.containers)
    if (c.readiness) out = std::max(out, c.readiness->initial_delay_s);
  return std::chrono::seconds(out);
}

std::unexpected<Problem> not_ready(const LabState& state, const std::vector<std::string>& waiting,
                                   const Pod& first, const std::string& why) {
  const LabNames names(state.name);
  std::string text =
      fmt::format("pod{} {} {}", waiting.size() == 1 ? "" : "s", fmt::join(waiting, ", "), why);
  for (const Container& c : first.containers) {
    const std::string tail = log_tail(names.pod_log(first.ns, first.name, c.name), kTailLines);
    if (!tail.empty())
      text +=
          fmt::format("\nthe end of the log of {}, container {}:\n{}", first.key(), c.name, tail);
  }
  return problem(
      std::move(text),
      "correct the pod's command, ports or readinessProbe; for a slow one give --timeout");
}

}  // namespace

std::string log_tail(const std::string& path, unsigned lines) {
  const auto text = read_file(path);
  if (!text || text->empty()) return {};
  std::size_t at = text->size() - (text->back() == '\n' ? 1 : 0);
  for (unsigned i = 0; i < lines && at != std::string::npos; ++i)
    at = at == 0 ? std::string::npos : text->rfind('\n', at - 1);
  std::string out = "    ";
  for (const char c : std::string_view(*text).substr(at == std::string::npos ? 0 : at + 1)) {
    out += c;
    if (c == '\n') out += "    ";
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

Outcome<void> write_hosts(const LabState& state) {
  const LabNames names(state.name);
  for (const Pod& pod : state.objects.pods) {
    std::error_code ignored;
    std::filesystem::create_directories(names.pod_dir(pod.ns, pod.name), ignored);
    auto written = overwrite(names.pod_hosts(pod.ns, pod.name),
                             hosts_file(pod, state.objects.services, state.objects.pods));
    if (!written) return written;
  }
  return {};
}

Outcome<void> prepare_pod(const LabState& state, const Pod& pod) {
  const LabNames names(state.name);
  auto cgroup = create_cgroup(names.pod_cgroup(pod.node, pod.uid));
  if (!cgroup) return std::unexpected(cgroup.error());
  if (is_proxy(pod)) {
    const std::string folder = names.proxy_dir(pod.ns, pod.name);
    if (auto made = make_dirs(folder, 0700); !made)
      return problem(fmt::format("make {}: {}", folder, made.error().to_string()));
  }
  return create_pod_network(names, pod, state.objects.nodes);
}

Outcome<void> start_pod(const LabState& state, const Pod& pod) {
  for (const Container& container : pod.containers) {
    auto spec = container_spec(state, pod, container);
    if (!spec) return std::unexpected(spec.error());
    auto started = ask(state, {.op = SupervisorOp::kStart, .spec = std::move(*spec)});
    if (!started) return std::unexpected(started.error());
  }
  return {};
}

static Outcome<void> ask_pod(const LabState& state, const Pod& pod, SupervisorOp op) {
  for (const Container& container : pod.containers)
    if (auto done = ask(state, {.op = op, .id = process_id(pod, container)}, kStopTimeout); !done)
      return std::unexpected(done.error());
  return {};
}

Outcome<void> restart_pod(const LabState& state, const Pod& pod) {
  return ask_pod(state, pod, SupervisorOp::kRestart);
}

Outcome<void> remove_pod(const LabState& state, const Pod& pod) {
  const LabNames names(state.name);
  (void)ask_pod(state, pod, SupervisorOp::kStop);
  if (auto removed = remove_cgroup(names.pod_cgroup(pod.node, pod.uid)); !removed) return removed;
  if (auto removed = delete_pod_network(names, pod, state.objects.nodes); !removed) return removed;
  std::error_code ignored;
  std::filesystem::remove_all(names.pod_dir(pod.ns, pod.name), ignored);
  return {};
}

Outcome<void> wait_ready(LabState& state, std::chrono::seconds timeout) {
  const LabNames names(state.name);
  const auto begin = Clock::now();
  auto next_probe = begin;
  std::vector<bool> done(state.objects.pods.size());
  while (true) {
    auto report = ask(state, {.op = SupervisorOp::kList});
    if (!report) return std::unexpected(report.error());
    std::map<std::string, ProcessReport> processes;
    for (const ProcessReport& process : report->processes) processes[process.id] = process;
    const auto now = Clock::now();
    const bool probe_now = now >= next_probe;
    if (probe_now) next_probe = now + kProbeEvery;

    std::vector<std::string> waiting;
    const Pod* first = nullptr;
    bool changed = false;
    for (std::size_t i = 0; i < state.objects.pods.size(); ++i) {
      Pod& pod = state.objects.pods[i];
      if (pod.ready || done[i]) continue;
      const bool may_look = (!has_probe(pod) || probe_now) && now - begin >= initial_delay(pod);
      const Stage stage = stage_of(names, pod, processes, may_look);
      if (stage == Stage::kBroken) return not_ready(state, {pod.key()}, pod, "does not start");
      done[i] = stage == Stage::kEnded || stage == Stage::kReady;
      if (stage == Stage::kReady) pod.ready = changed = true;
      if (done[i]) continue;
      waiting.push_back(pod.key());
      if (first == nullptr) first = &pod;
    }
    if (changed) {
      if (auto written = write_hosts(state); !written) return written;
      if (auto written = write_objects(state); !written) return written;
    }
    if (waiting.empty()) return {};
    if (now - begin >= timeout)
      return not_ready(state, waiting, *first,
                       fmt::format("{} not ready after {} s", waiting.size() == 1 ? "is" : "are",
                                   timeout.count()));
    ::poll(nullptr, 0, static_cast<int>(kLookEvery.count()));
  }
}

}  // namespace culvert::lab
