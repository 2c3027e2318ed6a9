#include "control_scenario.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "authorization.pb.h"
#include "credentials.hpp"
#include "culvert/xds/resources.hpp"
#include "linked_node.hpp"
#include "system_calls.hpp"
#include "workload.pb.h"

namespace culvert::sim {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr std::size_t kNodes = 2;
constexpr int kMostPolicies = 6, kMostWorkloads = 10;
constexpr Time kLength = minutes(20);  // of the part where things go wrong
constexpr Time kSettled = minutes(4);  // longer than the longest pause before asking again
constexpr seconds kCertificateCheck{5};
constexpr const char* kNonsense = "\xff\xff\xff no message";

Conditions draw_conditions(Rng& rng) {
  return {.max_delay = milliseconds(rng.skewed(500)),
          .most_at_once = 100 + rng.skewed(100'000),
          .window_bytes = 2048 + rng.skewed(200'000)};
}

std::string policy_name(int policy) {
  return fmt::format("p{}", policy);
}

std::string workload_uid(int workload) {
  return fmt::format("Kubernetes//Pod/shop/w{}", workload);
}

// What a resource's content is remembered by.
std::string policy_text(int policy, int revision) {
  return fmt::format("shop/p{} revision {}", policy, revision);
}
std::string workload_text(int workload, int revision, int policy) {
  return fmt::format("w{} revision {} names {}", workload, revision,
                     policy < 0 ? "none" : "shop/" + policy_name(policy));
}
std::string text_of(const mesh::Policy& policy) {
  const auto& match = policy.rules.at(0).clauses.at(0).matches.at(0);
  return fmt::format("{} revision {}", policy.key(), match.destination_ports.at(0));
}
std::string text_of(const mesh::Workload& w) {
  return fmt::format("{} revision {} names {}", w.name, w.canonical_revision,
                     w.policies.empty() ? "none" : w.policies.at(0));
}

xds::StoredResource stored(std::string bytes) {
  return {fmt::format("{:x}", std::hash<std::string>()(bytes)), std::move(bytes)};
}

xds::StoredResource policy_resource(int policy, int revision) {
  istio::security::Authorization out;
  out.set_name(policy_name(policy));
  out.set_namespace_("shop");
  out.set_scope(istio::security::WORKLOAD_SELECTOR);
  out.set_action(istio::security::DENY);
  out.add_rules()->add_clauses()->add_matches()->add_destination_ports(
      static_cast<std::uint32_t>(revision));
  return stored(out.SerializeAsString());
}

xds::StoredResource workload_resource(int workload, int revision, int policy) {
  istio::workload::Address out;
  auto* w = out.mutable_workload();
  w->set_uid(workload_uid(workload));
  w->set_name(fmt::format("w{}", workload));
  w->set_namespace_("shop");
  w->set_canonical_revision(std::to_string(revision));
  w->add_addresses(std::string{10, 1, 0, static_cast<char>(workload + 1)});
  if (policy >= 0) w->add_authorization_policies("shop/" + policy_name(policy));
  return stored(out.SerializeAsString());
}

}  // namespace

ControlScenario::ControlScenario(std::uint64_t seed)
    : rng_(seed),
      network_(scheduler_, rng_, draw_conditions(rng_)),
      lifetime_(minutes(rng_.between(10, 20))),
      control_(network_, authority(), lifetime_) {
  seed_chance(seed);
}

ControlScenario::~ControlScenario() = default;

ControlScenario::Mesh ControlScenario::draw_mesh() {
  Mesh out = mesh_;
  for (std::uint64_t edits = 1 + rng_.below(6); edits > 0; --edits) {
    const int policy = static_cast<int>(rng_.below(kMostPolicies));
    const int workload = static_cast<int>(rng_.below(kMostWorkloads));
    switch (rng_.below(5)) {
      case 0:
        out.policies.erase(policy);
        break;
      case 1:
        out.workloads.erase(workload);
        break;
      case 2:
        out.policies[policy] = ++revision_;
        break;
      default:
        out.workloads[workload] = {++revision_, policy};
        break;
    }
  }
  for (auto& [workload, content] : out.workloads) {
    if (out.policies.contains(content.second) || content.second < 0) continue;
    content = {++revision_, -1};
  }
  out.bad.clear();
  for (const auto& [workload, content] : out.workloads) {
    if (says_nonsense_ && rng_.chance(100)) out.bad.insert(workload);
  }
  return out;
}

void ControlScenario::publish(Mesh mesh) {
  mesh_ = std::move(mesh);
  auto set = std::make_shared<xds::ResourceSet>();
  set->generation = ++generation_;
  auto& policies = set->types[std::string(xds::kAuthorizationType)];
  auto& addresses = set->types[std::string(xds::kAddressType)];
  for (const auto& [policy, revision] : mesh_.policies) {
    policies["shop/" + policy_name(policy)] = policy_resource(policy, revision);
    served_.insert(policy_text(policy, revision));
  }
  for (const auto& [workload, content] : mesh_.workloads) {
    const auto& [revision, policy] = content;
    addresses[workload_uid(workload)] = mesh_.bad.contains(workload)
                                            ? stored(kNonsense + std::to_string(revision))
                                            : workload_resource(workload, revision, policy);
    served_.insert(workload_text(workload, revision, policy));
  }
  control_.serve(std::move(set));
}

void ControlScenario::outage(Time length) {
  if (!control_.running()) return;
  control_.kill();
  const Time end = scheduler_.now() + length;
  disturbed_until_ = std::max(disturbed_until_, end);
  std::map<std::string, std::size_t> before;
  for (const auto& node : nodes_) before[node->name()] = control_.attempts(node->name());
  scheduler_.after(length, [this, before, length] {
    for (const auto& [node, attempts] : before) {
      // Discovery asks twice a second at most, once it has begun to wait; each of the identities
      // asks with a pause that doubles from half a second.
      const auto seconds_away = static_cast<std::size_t>(duration_cast<seconds>(length).count());
      const std::size_t most = 2 * seconds_away + 60;
      const std::size_t made = control_.attempts(node) - attempts;
      if (made > most) {
        violation(fmt::format("{} asked {} times in {} s for a control that is away", node, made,
                              seconds_away));
      }
    }
    control_.start();
  });
}

void ControlScenario::cut_a_link() {
  std::vector<SocketPtr> streams;
  for (const SocketPtr& socket : network_.open_sockets()) {
    const bool open = socket->kind == Socket::Kind::kStream && socket->connected && !socket->reset;
    if (open) streams.push_back(socket);
  }
  disturbed_until_ = std::max(disturbed_until_, scheduler_.now());
  if (!streams.empty()) network_.cut(streams[rng_.below(streams.size())]);
}

void ControlScenario::draw_faults() {
  const auto at = [this] { return rng_.up_to(kLength); };
  for (std::uint64_t i = 1 + rng_.skewed(40); i > 0; --i) {
    scheduler_.after(at(), [this] { publish(draw_mesh()); });
  }
  for (std::uint64_t i = rng_.skewed(10); i > 0; --i) {
    scheduler_.after(at(), [this] { cut_a_link(); });
    summary_.faults += "cut ";
  }
  for (std::uint64_t i = rng_.skewed(4); i > 0; --i) {
    const Time length = milliseconds(1 + rng_.skewed(600'000));
    scheduler_.after(at(), [this, length] { outage(length); });
    summary_.faults += "outage ";
  }
  if (rng_.chance(300)) {
    const Time length = seconds(rng_.between(1, 120));
    scheduler_.after(at(), [this, length] {
      network_.stall(scheduler_.now() + length);
      disturbed_until_ = std::max(disturbed_until_, scheduler_.now() + length);
    });
    summary_.faults += "stall ";
  }
}

// At every moment, also while a change is on its way in parts.
void ControlScenario::check_snapshot(const mesh::Snapshot& snapshot) {
  ++summary_.connections;
  for (const auto& policy : snapshot.policies()) {
    if (!served_.contains(text_of(*policy)))
      violation("a ztunnel has what control never said: " + text_of(*policy));
  }
  for (const auto& w : snapshot.workloads()) {
    if (!served_.contains(text_of(*w)))
      violation("a ztunnel has what control never said: " + text_of(*w));
    for (const auto& key : w->policies) {
      // A workload that makes no sense keeps its earlier state, whose policy may be gone.
      if (!says_nonsense_ && snapshot.policy(key) == nullptr)
        violation(fmt::format("{} names {}, which has not come or is gone", w->name, key));
    }
  }
}

bool ControlScenario::calm_for(Time length) const {
  return control_.running() && scheduler_.now() >= disturbed_until_ + length;
}

void ControlScenario::check_certificates() {
  const auto wall = std::chrono::system_clock::time_point(kWallStart) + scheduler_.now();
  for (const auto& node : nodes_) {
    for (const auto& one : node->certificates()) {
      const auto left = duration_cast<seconds>(one.not_after - wall);
      if (calm_for(kSettled) && (!one.ready || left < lifetime_ / 4)) {
        violation(fmt::format("{}: the certificate of {} was not renewed: {} s are left, {}",
                              node->name(), one.identity, left.count(), one.last_error));
      }
    }
  }
  scheduler_.after(kCertificateCheck, [this] {
    if (!nodes_.empty()) check_certificates();
  });
}

void ControlScenario::check_the_end() {
  std::set<std::string> wanted;
  for (const auto& [policy, revision] : mesh_.policies)
    wanted.insert(policy_text(policy, revision));
  for (const auto& [workload, content] : mesh_.workloads) {
    if (!mesh_.bad.contains(workload))
      wanted.insert(workload_text(workload, content.first, content.second));
  }
  for (const auto& node : nodes_) {
    if (!node->ready()) violation(node->name() + " never got ready");
    std::set<std::string> has;
    for (const auto& policy : node->snapshot().policies()) has.insert(text_of(*policy));
    for (const auto& w : node->snapshot().workloads()) {
      const int number = std::stoi(w->name.substr(1));
      if (!mesh_.bad.contains(number)) has.insert(text_of(*w));
    }
    if (has != wanted) {
      violation(fmt::format("{} has in the end {}, and control says {}", node->name(),
                            fmt::join(has, "; "), fmt::join(wanted, "; ")));
    }
    const auto status = control_.status(node->name());
    if (mesh_.bad.empty() && status.acked_generation != generation_)
      violation(node->name() + " has not acknowledged what it has");
    if (!mesh_.bad.empty() && node->status().nacks == 0)
      violation(node->name() + " did not refuse what makes no sense");
    for (const auto& [identity, times] : node->renewals()) {
      summary_.completed += times.size();
      if (times.size() > static_cast<std::size_t>((kLength + 2 * kSettled) / (lifetime_ / 4)) + 2)
        violation(fmt::format("{} asked for {} certificates of {}", node->name(), times.size(),
                              identity));
    }
  }
}

RunSummary ControlScenario::run() {
  g_network = &network_;
  follow(&scheduler_);
  says_nonsense_ = rng_.chance(300);
  publish(draw_mesh());
  for (std::size_t i = 0; i < kNodes; ++i) {
    const std::string name = fmt::format("node{}", i), path = "/run/" + name + ".sock";
    control_.add_node(name, path);
    const int netns = network_.add_namespace(
        {IpAddress::v4(10, 254, 0, static_cast<std::uint8_t>(i + 1))}, false);
    nodes_.push_back(std::make_unique<LinkedNode>(
        network_, netns, name, path, std::vector{account_identity(0), account_identity(i + 1)},
        [this](const mesh::Snapshot& snapshot) { check_snapshot(snapshot); }));
  }
  const Time start = rng_.up_to(seconds(30));
  disturbed_until_ = start;
  scheduler_.after(start, [this] { control_.start(); });
  draw_faults();
  scheduler_.after(kSettled, [this] { check_certificates(); });
  scheduler_.run_until(kLength);
  scheduler_.run_until(
      std::max({kLength, disturbed_until_ + kSettled, network_.stalled_until() + kSettled}));
  publish(draw_mesh());
  scheduler_.run_until(scheduler_.now() + kSettled);
  check_the_end();
  for (auto& node : nodes_) node->stop();
  control_.stop();
  scheduler_.run_until_all_left(scheduler_.now() + minutes(1));
  nodes_.clear();
  control_.bury();
  for (const SocketPtr& socket : network_.open_sockets()) {
    violation("descriptor " + std::to_string(socket->fd) + " is open after the end");
  }
  follow(nullptr);
  g_network = nullptr;
  summary_.steps = scheduler_.steps();
  summary_.ended_at = scheduler_.now();
  return summary_;
}

}  // namespace culvert::sim
