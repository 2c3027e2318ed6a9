// `culvert lab up`: from a manifest to a running lab, in the order that the mesh needs.
#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "lab/cgroup.hpp"
#include "lab/changes.hpp"
#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/lab.hpp"
#include "lab/network.hpp"
#include "lab/pods.hpp"
#include "lab/supervisor_protocol.hpp"
#include "lab/waypoints.hpp"

#include <fcntl.h>

namespace culvert::lab {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kSupervisorWait{10};

std::vector<IpPrefix> machine_routes() {
  const auto v4 = read_file("/proc/net/route"), v6 = read_file("/proc/net/ipv6_route");
  return parse_proc_routes(v4.value_or(""), v6.value_or(""));
}

// Born inside the lab's cgroup, so that `down` finds it at whatever instant `up` is killed.
Outcome<void> start_supervisor(const LabNames& names) {
  auto cgroup = create_cgroup(names.cgroup());
  if (!cgroup) return std::unexpected(cgroup.error());
  const UniqueFd cgroup_fd(::open(cgroup->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (auto made = make_dirs(names.dir() + "/logs"); !made) return problem(made.error().to_string());
  const UniqueFd log(
      ::open(names.supervisor_log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<std::uint64_t>(cgroup_fd.get());
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return system_problem("start the supervisor", errno);
  if (pid == 0) {
    ::setsid();
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    ::close_range(3, ~0U, 0);
    [[maybe_unused]] const int moved = ::chdir("/");
    ::execl("/proc/self/exe", "culvert", "lab", "supervise", "--name", names.lab().c_str(),
            nullptr);
    ::_exit(127);
  }
  const auto end = Clock::now() + kSupervisorWait;
  while (!ask_supervisor(names.supervisor_socket(), {.op = SupervisorOp::kPing}, kSupervisorWait)) {
    if (Clock::now() >= end)
      return problem("the supervisor does not answer\n" + log_tail(names.supervisor_log(), 10));
    ::poll(nullptr, 0, 2);
  }
  return {};
}

Outcome<void> build_network(const LabState& state) {
  const LabNames names(state.name);
  if (auto made = create_fabric(names, state.plan); !made) return made;
  for (const Node& node : state.objects.nodes)
    if (auto made = create_node_network(names, state.plan, node); !made) return made;
  return route_nodes(names, state.objects.nodes);
}

Outcome<void> start_mesh(const LabState& state, std::chrono::seconds timeout) {
  if (auto mounted = mount_bpffs(); !mounted) return mounted;
  if (auto started = start_control(state); !started) return started;
  for (const Node& node : state.objects.nodes)
    if (auto started = start_node(state, node); !started) return started;
  if (auto ready = wait_control_ready(state, timeout); !ready) return ready;
  for (const Node& node : state.objects.nodes) {
    if (auto ready = wait_agent_ready(state, node, timeout); !ready) return ready;
    if (auto ready = wait_ztunnel_ready(state, node, timeout); !ready) return ready;
  }
  return {};
}

Outcome<std::vector<Note>> bring_up(LabState& state, const std::vector<SourceFile>& files,
                                    std::chrono::seconds timeout) {
  const LabNames names(state.name);
  if (auto made = make_dirs(names.config_dir(), 0700); !made)
    return problem(made.error().to_string());
  if (auto started = start_supervisor(names); !started) return std::unexpected(started.error());
  if (auto built = build_network(state); !built) return std::unexpected(built.error());
  if (auto added = add_files(state, files); !added) return std::unexpected(added.error());
  if (auto written = write_objects(state); !written) return std::unexpected(written.error());
  if (auto saved = save_state(state); !saved) return std::unexpected(saved.error());
  if (state.mesh)
    if (auto started = start_mesh(state, timeout); !started)
      return std::unexpected(started.error());
  if (auto started = start_pods(state, state.objects.pods); !started)
    return std::unexpected(started.error());
  return settle(state, true, timeout);
}

}  // namespace

std::string random_uid() {
  unsigned char bytes[16] = {};
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) std::abort();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // RFC 4122 version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string out;
  for (std::size_t i = 0; i < sizeof bytes; ++i)
    out += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  return out;
}

Outcome<std::vector<SourceFile>> read_sources(const std::vector<std::string>& paths) {
  std::vector<SourceFile> out;
  for (const std::string& path : paths) {
    auto file = read_source(path);
    if (!file) return std::unexpected(file.error());
    out.push_back(std::move(*file));
  }
  return out;
}

Outcome<ChangeReport> lab_up(const UpOptions& options) {
  const auto begin = Clock::now();
  auto name = check_lab_name(options.name);
  if (!name) return std::unexpected(name.error());
  if (::geteuid() != 0) return problem("a lab needs root", "run: sudo culvert lab up ...");
  auto files = read_sources(options.files);
  if (!files) return std::unexpected(files.error());
  Manifest manifest = read_manifest(*files);
  if (!manifest.problems.empty()) return std::unexpected(manifest_problem(manifest.problems));
  add_waypoints(manifest, {}, options.mesh);
  auto plan = choose_ranges(machine_routes());
  if (!plan) return std::unexpected(plan.error());
  AddressPool pool(*plan);
  auto objects = place(manifest, {}, options.mesh, pool, random_uid);
  if (!objects) return std::unexpected(objects.error());
  if (options.mesh)
    for (const char* program : {"culvert-control", "culvert-agent", "culvert-ztunnel"})
      if (auto found = find_program(program); !found) return std::unexpected(found.error());

  LabState state{.name = *name,
                 .mesh = options.mesh,
                 .plan = *plan,
                 .objects = std::move(*objects),
                 .control_flags = options.control_flags,
                 .agent_flags = options.agent_flags,
                 .ztunnel_flags = options.ztunnel_flags,
                 .waypoint_flags = options.waypoint_flags};
  std::optional<LabLock> lock;
  {
    auto created = LabLock::create(LabNames(*name));
    if (!created) return std::unexpected(created.error());
    lock.emplace(std::move(*created));
  }
  auto notes = bring_up(state, *files, options.timeout);
  if (!notes) {
    lock.reset();
    Problem why = notes.error();
    if (options.keep_failed)
      why.next +=
          fmt::format("; the lab was kept, remove it with: culvert lab down --name {}", *name);
    else if (auto removed = lab_down(*name); !removed)
      why.text += "\nand it could not be removed: " + removed.error().text;
    return std::unexpected(std::move(why));
  }
  state.up = true;
  if (auto saved = save_state(state); !saved) return std::unexpected(saved.error());
  return ChangeReport{std::move(state), std::move(*notes),
                      std::chrono::duration<double>(Clock::now() - begin).count()};
}

}  // namespace culvert::lab
