// Threads: the main thread opens the datapath, watches the pods' namespaces and waits for signals;
// admin threads enroll and remove pods; one io loop speaks ZDS.
#include "run.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "culvert/admin/http_server.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/loop.hpp"
#include "desired_routes.hpp"
#include "enrollment.hpp"
#include "handover.hpp"
#include "kernel_capture.hpp"
#include "netns_watch.hpp"
#include "pod_json.hpp"
#include "pod_routes.hpp"
#include "probe.hpp"
#include "zds_server.hpp"

namespace culvert::agent {
namespace {

constexpr std::chrono::milliseconds kCheckInterval{5000};
constexpr std::chrono::milliseconds kUnsettledInterval{500};
constexpr std::chrono::milliseconds kOrderInterval{30'000};
constexpr unsigned kAdminThreads = 4;  // some may wait for ztunnel's answer

int report(const Problem& problem) {
  log::error("{}{}{}", problem.what, problem.next.empty() ? "" : "; next: ", problem.next);
  return 1;
}
int report(const char* doing, const Error& error) {
  log::error("{}: {}", doing, error.to_string());
  return 1;
}

// SIGTERM and SIGINT as a descriptor; blocked for every thread that is made later.
UniqueFd block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

std::string boot_id() {
  return read_file("/proc/sys/kernel/random/boot_id", 4096).value_or("unknown");
}

Result<UniqueFd> open_pod_netns(const Pod& pod) {
  auto opened = open_netns_file(pod.spec.netns);
  if (!opened || opened->cookie != pod.netns_cookie) {
    return fail(ErrorCode::kNotFound, "open the pod's network namespace");
  }
  return std::move(opened->fd);
}

// The former agent's pods. A file that cannot be understood is put aside and reported; what is
// captured refuses until it is enrolled again.
Outcome<std::vector<Pod>> read_pods(const std::string& pods_file, const std::string& boot) {
  const auto text = read_file(pods_file);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<Pod>{};
  if (!text) return problem("read " + pods_file, text.error());
  auto pods = parse_pods(*text, boot);
  if (pods) return pods;
  const std::string aside = pods_file + ".unreadable";
  log::error("{}: {}; kept as {}", pods_file, pods.error().what, aside);
  if (auto kept = write_file_atomic(aside, *text, 0600); !kept)
    return problem("write " + aside, kept.error());
  return std::vector<Pod>{};
}

// Everything that the admin socket answers. `changed` is an eventfd that wakes watch().
std::vector<admin::Route> admin_routes(const RunSettings& settings, Enrollment& enrollment,
                                       Handover& handover, int changed) {
  std::vector<admin::Route> routes = pod_routes({enrollment, handover, [changed] {
                                                   const std::uint64_t one = 1;
                                                   [[maybe_unused]] const auto n =
                                                       ::write(changed, &one, sizeof one);
                                                 }});
  for (admin::Route& route : desired_routes(
           {enrollment, settings.block_first, settings.exclude_ranges, settings.exclude_ports}))
    routes.push_back(std::move(route));
  return routes;
}

// Signals, removed namespaces, and the regular look at the node. A change of the pods only moves
// what is watched and when: a look visits every pod, so one for each enrollment would be a square.
void watch(int signals, int changed, NetnsWatch& netns_watch, Enrollment& enrollment) {
  auto order_at = std::chrono::steady_clock::now();
  auto looked_at = order_at;
  while (true) {
    if (std::chrono::steady_clock::now() >= order_at) {
      order_at = std::chrono::steady_clock::now() + kOrderInterval;
      enrollment.check_order();
    }
    netns_watch.watch(enrollment.folders());
    const auto interval = enrollment.unsettled() ? kUnsettledInterval : kCheckInterval;
    pollfd fds[] = {{signals, POLLIN, 0}, {changed, POLLIN, 0}, {netns_watch.fd(), POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        looked_at + interval - std::chrono::steady_clock::now());
    ::poll(fds, std::size(fds), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (fds[0].revents != 0) return;
    std::uint64_t count = 0;
    if (fds[1].revents != 0 && ::read(changed, &count, sizeof count) < 0)
      log::warn("read the agent's eventfd");
    const bool removed = netns_watch.drain();
    if (!removed && std::chrono::steady_clock::now() < looked_at + interval) continue;
    looked_at = std::chrono::steady_clock::now();
    enrollment.check();
    enrollment.check_maps();
  }
}

}  // namespace

int run(const RunSettings& settings) {
  const UniqueFd signals = block_signals();
  const std::string pods_file = settings.state_dir + "/pods.json";
  if (auto made = make_dirs(settings.state_dir, 0700); !made)
    return report("make --state-dir", made.error());
  auto datapath = Datapath::open({.pin_dir = settings.bpf_dir,
                                  .cgroup = settings.cgroup,
                                  .kubelet_cgroup = settings.kubelet_cgroup,
                                  .block_first = settings.block_first,
                                  .exclude_ranges = settings.exclude_ranges,
                                  .exclude_ports = settings.exclude_ports,
                                  .max_handshakes = settings.max_handshakes});
  if (!datapath) return report(datapath.error());
  log::info("{}", kernel_line());
  KernelCapture capture(std::move(*datapath), pods_file, settings.guard);
  Handover handover;
  const std::string boot = boot_id();
  Enrollment enrollment(capture, handover, boot);
  auto netns_watch = NetnsWatch::create();
  if (!netns_watch) return report("watch network namespaces", netns_watch.error());
  auto loop = io::Loop::create({.ring_entries = 64, .buffers = {.count = 4, .bytes = 4096}});
  if (!loop) return report("make the ZDS loop", loop.error());
  auto zds_listener = listen_unix(settings.zds_socket, SOCK_SEQPACKET, kZdsBacklog);
  if (!zds_listener) return report("listen on --zds-socket", zds_listener.error());

  ZdsServer zds(handover, open_pod_netns);
  io::Loop& zds_loop = **loop;
  handover.on_change([&] { zds_loop.post([&zds] { zds.wake(); }); });
  const auto known = read_pods(pods_file, boot);
  if (!known) return report(known.error());
  if (auto resumed = enrollment.resume(*known); !resumed) return report(resumed.error());
  zds_loop.post([&] {
    zds_loop.root().spawn(
        [](ZdsServer* server, int fd) -> io::Task<> { co_await server->run(UniqueFd(fd)); }, &zds,
        zds_listener->release());
  });
  std::thread zds_thread([&] { zds_loop.run(); });

  const UniqueFd changed(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  auto server = admin::HttpServer::on_unix_socket(
      settings.admin_socket, admin_routes(settings, enrollment, handover, changed.get()),
      {.threads = kAdminThreads});
  if (server) {
    log::info("node {} is ready: admin {}, ZDS {}", settings.node, settings.admin_socket,
              settings.zds_socket);
    watch(signals.get(), changed.get(), *netns_watch, enrollment);
    (*server)->stop();
    log::info("stopped; pins stay in {}, so enrolled pods stay captured", settings.bpf_dir);
  }
  zds_loop.stop();
  zds_thread.join();
  ::unlink(settings.zds_socket.c_str());
  return server ? 0 : report("listen on --admin-socket", server.error());
}

}  // namespace culvert::agent
