// One simulated run, all of it drawn from a seed: two nodes, a few pods, connections between them,
// and what goes wrong meanwhile. It ends quietly when everything that must hold has held.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/mesh/snapshot.hpp"
#include "endpoint.hpp"
#include "network.hpp"
#include "node.hpp"

namespace culvert::sim {

inline constexpr Time kPodsWithin = std::chrono::seconds(1);  // all are announced by then

/// What a run was about, for --trace and for the check that equal seeds give equal runs.
struct RunSummary {
  std::uint64_t steps = 0;
  Time ended_at{};
  std::size_t connections = 0, completed = 0, refused = 0, cut = 0;
  std::uint64_t bytes = 0;
  std::string faults;
  bool operator==(const RunSummary&) const = default;
};

class Scenario {
 public:
  /// ztunnels write their access logs to `log_fd`.
  Scenario(std::uint64_t seed, int log_fd);
  /// Breaks off with a violation when something does not hold.
  RunSummary run();

 private:
  /// An L4 policy of the simple kind that the reading below understands: at `pod`, only (or not)
  /// `account`.
  struct Rule {
    std::size_t pod = 0;
    std::size_t account = 0;
    bool deny = false;
    bool operator==(const Rule&) const = default;
  };
  struct Version {
    Time published{};
    std::optional<Rule> rule;
  };
  struct Call {
    std::size_t client_pod = 0, server_pod = 0;
    bool by_service = false;
    Time start{};
    std::optional<Time> accepted;
    std::size_t accepted_by = 0;
    SocketAddress client_address;
    std::unique_ptr<Endpoint> client, server;
  };

  // Making the world.
  void make_pods();
  void make_nodes();
  void draw_calls();
  void draw_faults();
  void publish(std::optional<Rule> rule);
  mesh::Delta whole_mesh(const std::optional<Rule>& rule) const;

  // The applications.
  bool all_meshed() const;
  void start_call(Call& call);
  Call* find_call(std::size_t pod, const SocketAddress& shown) const;
  void serve(std::size_t pod, const SocketPtr& accepted);

  // The faults.
  void cut_a_stream();
  void replace_a_pod(std::size_t pod);

  // What must hold.
  bool may_connect(const Call& call, std::size_t server_pod, const std::optional<Rule>& rule) const;
  void check_admission(const Call& call, std::size_t server_pod) const;
  void check_open_calls(std::size_t version) const;
  void check_call(const Call& call) const;
  void check_ends(const Call& call, const Endpoint& reader, const Endpoint& writer) const;
  void check_complete(const Call& call) const;
  void check_nothing_left() const;
  bool all_over() const;
  void count_calls();

  const int log_fd_;
  Rng rng_;
  Scheduler scheduler_{rng_};
  Network network_;
  std::vector<PodSpec> pods_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Version> versions_;
  mesh::SnapshotPtr snapshot_ = std::make_shared<const mesh::Snapshot>();
  std::vector<std::unique_ptr<Call>> calls_;
  std::map<SocketAddress, Call*> by_client_;
  std::map<std::pair<std::size_t, std::size_t>, Call*> plain_;  // to servers outside the mesh
  bool calm_ = true;                                            // nothing goes wrong in this run
  RunSummary summary_;
};

}  // namespace culvert::sim
