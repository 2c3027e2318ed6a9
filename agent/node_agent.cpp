// Threads: the main thread captures what it finds, watches the pods' namespaces and waits for
// signals; admin threads enroll and remove pods; one io loop speaks ZDS.
#include "node_agent.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "culvert/base/log.hpp"
#include "desired_routes.hpp"
#include "metrics_page.hpp"
#include "pod_json.hpp"
#include "pod_routes.hpp"
#include "probe.hpp"

namespace culvert::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kCheckInterval{5000};
constexpr std::chrono::milliseconds kUnsettledInterval{500};
constexpr std::chrono::milliseconds kOrderInterval{30'000};
// Each enrolls a pod, or waits for ztunnel's word on one: with more, pods are captured side by
// side, as many as the kernel attaches in turn anyway.
constexpr unsigned kAdminThreads = 16;
// For requests that wait for ztunnel's word when a successor takes over.
constexpr std::chrono::seconds kLastAnswers{5};

std::string boot_id() {
  return read_file("/proc/sys/kernel/random/boot_id", 4096).value_or("unknown");
}

std::string pods_file(const RunSettings& settings) {
  return settings.state_dir + "/pods.json";
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
Outcome<std::vector<Pod>> read_pods(const std::string& path) {
  const auto text = read_file(path);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<Pod>{};
  if (!text) return problem("read " + path, text.error());
  auto pods = parse_pods(*text, boot_id());
  if (pods) return pods;
  const std::string aside = path + ".unreadable";
  log::error("{}: {}; kept as {}", path, pods.error().what, aside);
  if (auto kept = write_file_atomic(aside, *text, 0600); !kept)
    return problem("write " + aside, kept.error());
  return std::vector<Pod>{};
}

DatapathSettings datapath_settings(const RunSettings& settings) {
  return {.pin_dir = settings.bpf_dir,
          .cgroup = settings.cgroup,
          .kubelet_cgroup = settings.kubelet_cgroup,
          .block_first = settings.block_first,
          .exclude_ranges = settings.exclude_ranges,
          .exclude_ports = settings.exclude_ports,
          .max_handshakes = settings.max_handshakes};
}

}  // namespace

NodeAgent::NodeAgent(const RunSettings& settings, Datapath datapath, NetnsWatch netns_watch,
                     std::unique_ptr<io::Loop> loop)
    : settings_(settings),
      capture_(std::move(datapath), pods_file(settings), settings.guard),
      enrollment_(capture_, handover_, boot_id()),
      netns_watch_(std::move(netns_watch)),
      changed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      loop_(std::move(loop)),
      zds_(handover_, open_pod_netns) {
  handover_.on_change([this] { loop_->post([this] { zds_.wake(); }); });
}

NodeAgent::~NodeAgent() {
  metrics_.reset();
  handover_.answer_by(Clock::now());
  if (server_) server_->stop();
  end_zds();
}

Outcome<std::unique_ptr<NodeAgent>> NodeAgent::start(const RunSettings& settings) {
  auto datapath = Datapath::open(datapath_settings(settings));
  if (!datapath) return std::unexpected(datapath.error());
  log::info("{}", kernel_line());
  auto netns_watch = NetnsWatch::create();
  if (!netns_watch) return problem("watch network namespaces", netns_watch.error());
  auto loop = io::Loop::create({.ring_entries = 64, .buffers = {.count = 4, .bytes = 4096}});
  if (!loop) return problem("make the ZDS loop", loop.error());
  return std::unique_ptr<NodeAgent>(
      new NodeAgent(settings, std::move(*datapath), std::move(*netns_watch), std::move(*loop)));
}

void NodeAgent::speak_zds(UniqueFd listener) {
  loop_->post([this, fd = listener.release()] {
    loop_->root().spawn(
        [](ZdsServer* server, int raw) -> io::Task<> { co_await server->run(UniqueFd(raw)); },
        &zds_, fd);
  });
  zds_thread_ = std::thread([this] { loop_->run(); });
}

Outcome<void> NodeAgent::take_up_pods() {
  const auto known = read_pods(pods_file(settings_));
  if (!known) return std::unexpected(known.error());
  return enrollment_.resume(*known);
}

// Everything that the admin socket answers.
std::vector<admin::Route> NodeAgent::routes() {
  std::vector<admin::Route> out = pod_routes({enrollment_, handover_, [this] {
                                                const std::uint64_t one = 1;
                                                [[maybe_unused]] const auto n =
                                                    ::write(changed_.get(), &one, sizeof one);
                                              }});
  for (admin::Route& route : desired_routes(
           {enrollment_, settings_.block_first, settings_.exclude_ranges, settings_.exclude_ports}))
    out.push_back(std::move(route));
  for (admin::Route& route : metrics_routes({enrollment_, handover_}))
    out.push_back(std::move(route));
  return out;
}

Outcome<void> NodeAgent::answer_at(const Places& places) {
  auto zds_listener = copy_of(places.zds.listener);
  if (!zds_listener) return problem("speak ZDS", zds_listener.error());
  speak_zds(std::move(*zds_listener));
  if (auto taken_up = take_up_pods(); !taken_up) return taken_up;
  auto listener = copy_of(places.admin.listener);
  if (!listener) return problem("serve the admin socket", listener.error());
  auto server = admin::HttpServer::on_listener(std::move(*listener), routes(),
                                               {.threads = kAdminThreads, .waiting = kMaxPods});
  if (!server) return problem("serve the admin socket", server.error());
  server_ = std::move(*server);
  return {};
}

void NodeAgent::stop_answering() {
  metrics_.reset();
  handover_.answer_by(Clock::now() + kLastAnswers);
  if (server_) server_->finish();
  end_zds();
}

void NodeAgent::end_zds() {
  if (!zds_thread_.joinable()) return;
  loop_->stop();
  zds_thread_.join();
}

// A port that is taken, perhaps by a predecessor, is tried again at every look.
void NodeAgent::open_metrics() {
  if (settings_.metrics_port == 0 || metrics_) return;
  auto server = admin::HttpServer::on_address({*IpAddress::parse("::"), settings_.metrics_port},
                                              metrics_routes({enrollment_, handover_}));
  if (!server) {
    log::warn("metrics on port {}: {}", settings_.metrics_port, server.error().to_string());
    return;
  }
  metrics_ = std::move(*server);
}

void NodeAgent::look_at_the_node() {
  enrollment_.check();
  enrollment_.check_maps();
  open_metrics();
}

// A change of the pods only moves what is watched and when: a look visits every pod, so one for
// each enrollment would be a square.
std::optional<UniqueFd> NodeAgent::watch(int signals, SuccessorDoor& door) {
  auto order_at = Clock::now();
  auto looked_at = order_at;
  enrollment_.check_maps();
  open_metrics();
  while (true) {
    if (Clock::now() >= order_at) {
      order_at = Clock::now() + kOrderInterval;
      enrollment_.check_order();
    }
    netns_watch_.watch(enrollment_.folders());
    const auto interval = enrollment_.unsettled() ? kUnsettledInterval : kCheckInterval;
    pollfd fds[] = {{signals, POLLIN, 0},
                    {changed_.get(), POLLIN, 0},
                    {netns_watch_.fd(), POLLIN, 0},
                    {door.fd(), POLLIN, 0}};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(looked_at + interval - Clock::now());
    ::poll(fds, std::size(fds), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (fds[0].revents != 0) return std::nullopt;
    if (fds[3].revents != 0)
      if (auto successor = door.let_in()) return successor;
    std::uint64_t count = 0;
    if (fds[1].revents != 0 && ::read(changed_.get(), &count, sizeof count) < 0)
      log::warn("read the agent's eventfd");
    const bool removed = netns_watch_.drain();
    if (!removed && Clock::now() < looked_at + interval) continue;
    looked_at = Clock::now();
    look_at_the_node();
  }
}

}  // namespace culvert::agent
