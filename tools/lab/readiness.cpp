#include "lab/readiness.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "culvert/base/fd.hpp"
#include "lab/cgroup.hpp"
#include "lab/netns.hpp"
#include "lab/network.hpp"
#include "lab/tcp_probe.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

std::uint16_t probe_port(const Probe& probe, const Container& container) {
  for (const ContainerPort& port : container.ports)
    if (port.name == probe.port) return port.number;
  std::uint16_t number = 0;
  std::from_chars(probe.port.data(), probe.port.data() + probe.port.size(), number);
  return number;
}

bool look_over_network(const Probe& probe, const Container& container, const Pod& pod) {
  if (pod.ips.empty()) return false;
  const SocketAddress to{pod.ips.front(), probe_port(probe, container)};
  const std::chrono::seconds timeout(probe.timeout_s);
  if (probe.kind == Probe::Kind::kTcpSocket) return tcp_connects(to, timeout);
  const int status = http_get(to, probe.path, probe.headers, timeout);
  return status >= 200 && status < 400;  // as Kubernetes counts it
}

// In a child process: enters the right place, looks, and ends with 0 for ready.
[[noreturn]] void probe_child(const Surroundings& place, const Probe& probe,
                              const Container& container, const Pod& pod) {
  ::alarm(static_cast<unsigned>(probe.timeout_s) + 1);
  if (!enter(place)) ::_exit(1);
  if (probe.kind != Probe::Kind::kExec) ::_exit(look_over_network(probe, container, pod) ? 0 : 1);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  std::vector<std::string> environment;
  for (char** entry = ::environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  execute(probe.command, environment);
  ::_exit(127);
}

bool probe_passes(const LabNames& names, const Probe& probe, const Container& container,
                  const Pod& pod) {
  Surroundings place;
  if (probe.kind == Probe::Kind::kExec) {
    auto inside = pod_surroundings(names, pod, "");
    if (!inside || probe.command.empty()) return false;
    place = std::move(*inside);
    place.working_dir = container.working_dir.empty() ? pod.folder : container.working_dir;
  } else {
    auto cgroup = create_cgroup(names.node_cgroup(pod.node) + "/kubelet");
    if (!cgroup) return false;
    place = {.cgroup = *cgroup, .netns = netns_path(names.node_netns(pod.node))};
  }
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) probe_child(place, probe, container, pod);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool all_ports_listening(const LabNames& names, const Container& container, const Pod& pod) {
  if (std::ranges::none_of(container.ports, &ContainerPort::tcp)) return true;
  auto netns = open_netns(netns_of(names, pod));
  if (!netns) return false;
  auto inside = NetnsScope::enter(netns->get());
  if (!inside) return false;
  std::set<std::uint16_t> open;
  for (const char* path : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"})
    if (const auto text = read_file(path); text) open.merge(listening_ports(*text));
  return std::ranges::all_of(
      container.ports, [&](const ContainerPort& p) { return !p.tcp || open.contains(p.number); });
}

}  // namespace

std::set<std::uint16_t> listening_ports(std::string_view text) {
  std::set<std::uint16_t> out;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string slot, local, remote, state;
    fields >> slot >> local >> remote >> state;
    const std::size_t colon = local.rfind(':');
    if (state != "0A" || colon == std::string::npos) continue;  // TCP_LISTEN
    std::uint16_t port = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
    out.insert(port);
  }
  return out;
}

Outcome<Surroundings> pod_surroundings(const LabNames& names, const Pod& pod,
                                       const std::string& container) {
  auto mount = cgroup2_mount();
  if (!mount) return std::unexpected(mount.error());
  std::string cgroup = *mount + "/" + names.pod_cgroup(pod.node, pod.uid);
  if (!container.empty()) cgroup += "/" + container;
  return Surroundings{.cgroup = std::move(cgroup),
                      .netns = netns_path(netns_of(names, pod)),
                      .hosts_file = names.pod_hosts(pod.ns, pod.name),
                      .host_name = pod.name,
                      .run_dir = is_proxy(pod) ? names.proxy_dir(pod.ns, pod.name) : ""};
}

bool looks_ready(const LabNames& names, const Pod& pod) {
  return std::ranges::all_of(pod.containers, [&](const Container& container) {
    return container.readiness ? probe_passes(names, *container.readiness, container, pod)
                               : all_ports_listening(names, container, pod);
  });
}

}  // namespace culvert::lab
