#include "scenario.hpp"

#include <algorithm>

#include "credentials.hpp"
#include "system_calls.hpp"

namespace culvert::sim {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr std::size_t kNodes = 2;
constexpr std::size_t kMostPods = 5;
constexpr std::size_t kMostCalls = 16;
constexpr std::uint64_t kMostBytes = 300'000;
constexpr std::uint64_t kMostParts = 500;  // a run takes some tens of milliseconds
constexpr std::uint16_t kPort = 8080;
constexpr std::uint16_t kServicePort = 80;
constexpr const char* kServiceKey = "shop/web.shop.svc.cluster.local";
constexpr seconds kCallsWithin{4};
constexpr seconds kRecheckedWithin{2};  // longer than a reset is under way
constexpr minutes kGiveUp{5};           // every call is over by then
constexpr minutes kTunnelsIdleOut{7};   // and every tunnel after this much more

Conditions draw_conditions(Rng& rng) {
  return {.max_delay = milliseconds(rng.skewed(200)),
          .most_at_once = 1 + rng.skewed(100'000),
          .window_bytes = 512 + rng.skewed(200'000)};
}

IpAddress address_of_pod(std::size_t pod, bool v4) {
  const std::string end = std::to_string(pod + 1);
  return *IpAddress::parse(v4 ? "10.0.0." + end : "fd00::" + end);
}

IpAddress service_address() {
  return IpAddress::v4(10, 96, 0, 1);
}

}  // namespace

Scenario::Scenario(std::uint64_t seed, int log_fd)
    : log_fd_(log_fd), rng_(seed), network_(scheduler_, rng_, draw_conditions(rng_)) {
  seed_chance(seed);
}

void Scenario::make_pods() {
  const std::size_t count = rng_.between(2, kMostPods);
  for (std::size_t i = 0; i < count; ++i) {
    // The first two are always meshed; another may be outside.
    const bool meshed = i < 2 || !rng_.chance(300);
    const int netns =
        network_.add_namespace({address_of_pod(i, true), address_of_pod(i, false)}, meshed);
    pods_.push_back({.name = "pod" + std::to_string(i),
                     .account = rng_.below(kAccounts),
                     .netns = netns,
                     .node = i < kNodes ? i : rng_.below(kNodes),
                     .meshed = meshed});
    network_.listen(netns, kPort, [this, i](const SocketPtr& accepted) { serve(i, accepted); });
  }
}

void Scenario::make_nodes() {
  const auto same_node = rng_.chance(500) ? ztunnel::SameNode::kJoin : ztunnel::SameNode::kEncrypt;
  for (std::size_t i = 0; i < kNodes; ++i) {
    const auto workers = static_cast<unsigned>(rng_.between(1, 2));
    nodes_.push_back(
        std::make_unique<Node>(network_, "node" + std::to_string(i), workers, same_node, log_fd_));
  }
  std::optional<Rule> rule;
  if (rng_.chance(400)) {
    rule = Rule{rng_.below(pods_.size()), rng_.below(kAccounts), rng_.chance(500)};
  }
  publish(rule);
  for (const PodSpec& pod : pods_) {
    if (!pod.meshed) continue;
    Node* node = nodes_[pod.node].get();
    // Pods, their certificates and the mesh come in any order.
    scheduler_.after(rng_.up_to(kPodsWithin), [node, &pod] { node->add_pod(pod); });
    scheduler_.after(rng_.up_to(seconds(2)),
                     [node, &pod] { node->take_credentials(pod.account, 0); });
  }
}

mesh::Delta Scenario::whole_mesh(const std::optional<Rule>& rule) const {
  mesh::Delta out;
  for (std::size_t i = 0; i < pods_.size(); ++i) {
    const PodSpec& pod = pods_[i];
    mesh::Workload w;
    w.uid = "Kubernetes//Pod/shop/" + pod.name;
    w.name = pod.name;
    w.ns = "shop";
    w.addresses = {address_of_pod(i, true), address_of_pod(i, false)};
    w.protocol = pod.meshed ? mesh::TunnelProtocol::kHbone : mesh::TunnelProtocol::kNone;
    w.trust_domain = "cluster.local";
    w.service_account = account_name(pod.account);
    w.node = "node" + std::to_string(pod.node);
    w.services[kServiceKey] = {{kServicePort, kPort}};
    if (rule && rule->pod == i) w.policies = {"shop/rule"};
    out.workloads.push_back(std::move(w));
  }
  mesh::Service service;
  service.name = "web";
  service.ns = "shop";
  service.hostname = "web.shop.svc.cluster.local";
  service.vips = {{"", service_address()}};
  service.ports = {{kServicePort, kPort}};
  out.services.push_back(std::move(service));
  if (!rule) {
    out.removed_policies = {"shop/rule"};
    return out;
  }
  mesh::Match match;
  match.principals = {
      {mesh::StringMatch::Kind::kExact, "cluster.local/ns/shop/sa/" + account_name(rule->account)}};
  mesh::Policy policy;
  policy.ns = "shop";
  policy.name = "rule";
  policy.scope = mesh::Policy::Scope::kWorkload;
  policy.action = rule->deny ? mesh::Policy::Action::kDeny : mesh::Policy::Action::kAllow;
  policy.rules = {{.clauses = {{.matches = {match}}}}};
  out.policies.push_back(std::move(policy));
  return out;
}

void Scenario::publish(std::optional<Rule> rule) {
  snapshot_ = mesh::apply(*snapshot_, whole_mesh(rule));
  versions_.push_back({scheduler_.now(), rule});
  for (auto& node : nodes_) node->take_snapshot(snapshot_);
  scheduler_.after(kRecheckedWithin,
                   [this, version = versions_.size() - 1] { check_open_calls(version); });
}

void Scenario::draw_calls() {
  const std::size_t count = 1 + rng_.skewed(kMostCalls - 1);
  const std::uint64_t most_at_once = network_.conditions().most_at_once;
  for (std::size_t i = 0; i < count; ++i) {
    auto call = std::make_unique<Call>();
    call->client_pod = rng_.below(pods_.size());
    call->server_pod = (call->client_pod + 1 + rng_.below(pods_.size() - 1)) % pods_.size();
    call->by_service = all_meshed() && rng_.chance(300);
    // A server outside the mesh sees its client's pod, but a port of ztunnel's: one call each.
    const auto pair = std::pair(call->client_pod, call->server_pod);
    if (!pods_[call->server_pod].meshed && !plain_.emplace(pair, call.get()).second) continue;
    call->start = rng_.up_to(kCallsWithin);
    Plan plans[2];
    for (Plan& plan : plans) {
      plan.bytes = rng_.skewed(std::min<std::uint64_t>(kMostBytes, most_at_once * kMostParts));
      plan.end = static_cast<Plan::End>(rng_.chance(800) ? rng_.below(2) : rng_.below(4));
      if (rng_.chance(100)) plan.pause = milliseconds(rng_.skewed(100));
    }
    // Somebody has to begin the end.
    if (plans[0].end == Plan::End::kAfterPeer && plans[1].end == Plan::End::kAfterPeer) {
      plans[rng_.below(2)].end = Plan::End::kFinish;
    }
    const auto id = static_cast<std::uint32_t>(i);
    call->client = std::make_unique<Endpoint>(network_, id, true, plans[0]);
    call->server = std::make_unique<Endpoint>(network_, id, false, plans[1]);
    scheduler_.after(call->start, [this, c = call.get()] { start_call(*c); });
    calls_.push_back(std::move(call));
  }
}

bool Scenario::all_meshed() const {
  return std::ranges::all_of(pods_, [](const PodSpec& pod) { return pod.meshed; });
}

void Scenario::start_call(Call& call) {
  const SocketPtr socket = network_.make(Socket::Kind::kFresh, pods_[call.client_pod].netns);
  const bool v4 = call.by_service || rng_.chance(500);
  const SocketAddress to = call.by_service
                               ? SocketAddress{service_address(), kServicePort}
                               : SocketAddress{address_of_pod(call.server_pod, v4), kPort};
  network_.connect(socket, to, [this, &call, socket](int error) {
    if (error == 0) return call.client->take(socket);
    network_.close(socket->fd);
    call.client->refused();
  });
  call.client_address = socket->local;
  by_client_[socket->local] = &call;
}

Scenario::Call* Scenario::find_call(std::size_t pod, const SocketAddress& shown) const {
  if (const auto found = by_client_.find(shown); found != by_client_.end()) return found->second;
  for (const auto& [pair, call] : plain_) {
    const bool same = address_of_pod(pair.first, shown.ip.is_v4()) == shown.ip;
    if (pair.second == pod && same) return call;
  }
  return nullptr;
}

void Scenario::serve(std::size_t pod, const SocketPtr& accepted) {
  Call* const found = find_call(pod, accepted->remote);
  if (found == nullptr) {
    violation("pod" + std::to_string(pod) +
              " was shown a peer that nobody is: " + accepted->remote.to_string());
  }
  Call& call = *found;
  if (call.accepted) violation("a connection was made twice at the server");
  if (!call.by_service && pod != call.server_pod) violation("a connection reached another pod");
  call.accepted = scheduler_.now();
  call.accepted_by = pod;
  check_admission(call, pod);
  call.server->take(accepted);
}

void Scenario::draw_faults() {
  const auto at = [this] { return rng_.up_to(kCallsWithin + seconds(3)); };
  if (rng_.chance(400)) return;
  calm_ = false;
  for (std::size_t i = rng_.skewed(6); i > 0; --i) {
    scheduler_.after(at(), [this] { cut_a_stream(); });
    summary_.faults += "cut ";
  }
  if (rng_.chance(300)) {
    const Time length = seconds(rng_.between(1, 60));
    scheduler_.after(at(), [this, length] { network_.stall(scheduler_.now() + length); });
    summary_.faults += "stall ";
  }
  if (rng_.chance(300)) {
    const std::size_t pod = rng_.below(pods_.size());
    if (pods_[pod].meshed) scheduler_.after(at(), [this, pod] { replace_a_pod(pod); });
    summary_.faults += "replace ";
  }
  for (std::size_t i = rng_.skewed(3); i > 0; --i) {
    std::optional<Rule> rule;
    if (rng_.chance(700)) {
      rule = Rule{rng_.below(pods_.size()), rng_.below(kAccounts), rng_.chance(500)};
    }
    scheduler_.after(at(), [this, rule] { publish(rule); });
    summary_.faults += "policy ";
  }
  if (rng_.chance(300)) {
    const std::size_t account = rng_.below(kAccounts);
    scheduler_.after(at(), [this, account] {
      for (auto& node : nodes_) node->take_credentials(account, 1);
    });
    summary_.faults += "renewal ";
  }
}

void Scenario::cut_a_stream() {
  std::vector<SocketPtr> streams;
  for (const SocketPtr& socket : network_.open_sockets()) {
    const bool open = socket->kind == Socket::Kind::kStream && socket->connected && !socket->reset;
    if (open) streams.push_back(socket);
  }
  if (!streams.empty()) network_.cut(streams[rng_.below(streams.size())]);
}

void Scenario::replace_a_pod(std::size_t pod) {
  nodes_[pods_[pod].node]->remove_pod(pods_[pod]);
  scheduler_.after(rng_.up_to(seconds(2)),
                   [this, pod] { nodes_[pods_[pod].node]->add_pod(pods_[pod]); });
}

bool Scenario::all_over() const {
  return std::ranges::all_of(calls_, [](const auto& call) {
    return call->client->over() && (!call->accepted || call->server->over());
  });
}

void Scenario::count_calls() {
  for (const auto& call : calls_) {
    ++summary_.connections;
    summary_.bytes += call->client->received() + call->server->received();
    if (!call->accepted) {
      ++summary_.refused;
    } else if (call->client->saw_end() && call->server->saw_end()) {
      ++summary_.completed;
    } else {
      ++summary_.cut;
    }
  }
}

RunSummary Scenario::run() {
  g_network = &network_;
  follow(&scheduler_);
  make_pods();
  make_nodes();
  draw_calls();
  draw_faults();
  while (scheduler_.now() < kGiveUp && !(scheduler_.now() > kCallsWithin && all_over())) {
    scheduler_.run_until(scheduler_.now() + seconds(1));
  }
  for (const auto& call : calls_) check_call(*call);
  scheduler_.run_until(scheduler_.now() + kTunnelsIdleOut);
  check_nothing_left();
  for (auto& node : nodes_) node->stop();
  scheduler_.run_until_all_left(scheduler_.now() + minutes(1));
  nodes_.clear();
  for (const SocketPtr& socket : network_.open_sockets()) {
    violation("descriptor " + std::to_string(socket->fd) + " is open after the end");
  }
  count_calls();
  summary_.steps = scheduler_.steps();
  summary_.ended_at = scheduler_.now();
  follow(nullptr);
  g_network = nullptr;
  return summary_;
}

}  // namespace culvert::sim
