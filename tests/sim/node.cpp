#include "node.hpp"

#include <array>

#include "credentials.hpp"
#include "culvert/mesh/policy_change.hpp"
#include "ztunnel/pods/listeners.hpp"

namespace culvert::sim {
namespace {

constexpr std::size_t kBudgetBytes = 8U << 20;
constexpr std::array kKinds{bpf::ListenerKind::kOutbound, bpf::ListenerKind::kHbone,
                            bpf::ListenerKind::kPlaintext};

}  // namespace

Node::Node(Network& network, std::string name, unsigned workers, ztunnel::SameNode same_node,
           int log_fd)
    : network_(network),
      maps_(*bpf::SocketMaps::open("")),
      budget_(kBudgetBytes),
      lines_(log_fd),
      metrics_(workers) {
  settings_.node = std::move(name);
  settings_.same_node = same_node;
  for (unsigned i = 0; i < workers; ++i) start_worker(i);
}

void Node::start_worker(unsigned index) {
  auto backend = std::make_unique<SimBackend>(network_, io::BufferPoolOptions{});
  SimBackend* participant = backend.get();
  UniqueFd wake(network_.make(Socket::Kind::kWake, -1)->fd);
  auto loop = std::make_unique<io::Loop>(std::move(backend), std::move(wake));
  auto worker = std::make_unique<ztunnel::Worker>(
      settings_, maps_, budget_, trust_, proxy::Reporter(metrics_.worker(index), lines_, false, {}),
      std::move(loop), 2 * ztunnel::kMaxConnectionsPerWorker);
  Scheduler& scheduler = network_.scheduler();
  scheduler.join(*participant);
  std::thread thread([&scheduler, participant, running = worker.get()] {
    scheduler.wait_for_first_run(*participant);
    running->run();
    scheduler.leave(*participant);
  });
  threads_.push_back({participant, std::move(worker), std::move(thread)});
}

Node::~Node() {
  for (Thread& one : threads_) one.thread.join();
}

void Node::add_pod(const PodSpec& spec) {
  auto pod = std::make_shared<ztunnel::Pod>();
  pod->uid = spec.name;
  pod->ns = "shop";
  pod->name = spec.name;
  pod->service_account = account_name(spec.account);
  pod->netns = UniqueFd(network_.make(Socket::Kind::kNamespace, spec.netns)->fd);
  pod->netns_cookie = static_cast<std::uint64_t>(spec.netns);
  std::vector<ztunnel::Listener> listeners;
  for (const auto kind : kKinds) {
    for (const int family : {AF_INET, AF_INET6}) {
      for (unsigned slot = 0; slot < threads_.size(); ++slot) {
        const int fd = network_.make(Socket::Kind::kListening, spec.netns)->fd;
        listeners.push_back({UniqueFd(fd), kind, family, slot});
      }
    }
  }
  if (!ztunnel::offer_listeners(maps_, *pod, listeners)) violation("no listener was taken");
  const auto shared = std::make_shared<const std::vector<ztunnel::Listener>>(std::move(listeners));
  for (unsigned slot = 0; slot < threads_.size(); ++slot) {
    threads_[slot].worker->post(
        [pod, shared, slot](ztunnel::Worker& w) { w.add_pod(pod, shared, slot); });
  }
}

void Node::remove_pod(const PodSpec& spec) {
  for (Thread& one : threads_) {
    one.worker->post([uid = spec.name](ztunnel::Worker& w) { w.remove_pod(uid); });
  }
}

void Node::take_snapshot(const mesh::SnapshotPtr& snapshot) {
  const auto change = std::make_shared<const mesh::PolicyChange>(
      mesh::policy_change(*std::exchange(published_, snapshot), *snapshot));
  for (Thread& one : threads_) {
    one.worker->post(
        [snapshot, change](ztunnel::Worker& w) { w.take_snapshot(snapshot, *change); });
  }
}

void Node::take_credentials(std::size_t account, std::size_t renewal) {
  for (Thread& one : threads_) {
    one.worker->post([account, renewal](ztunnel::Worker& w) {
      w.take_credentials(account_identity(account), credentials_of(account, renewal));
    });
  }
}

void Node::stop() {
  for (Thread& one : threads_) one.worker->stop_all();
}

std::size_t Node::open_connections() const {
  std::size_t count = 0;
  for (const Thread& one : threads_) count += one.worker->open_connections();
  return count;
}

}  // namespace culvert::sim
