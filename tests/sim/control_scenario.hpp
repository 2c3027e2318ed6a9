// One simulated run of the links to control, all of it drawn from a seed: two ztunnels' control
// loops, a control that changes its mind, is killed and comes back, says what makes no sense, and a
// network that cuts and stalls. It ends quietly when everything that must hold has held.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control.hpp"
#include "culvert/mesh/snapshot.hpp"
#include "network.hpp"
#include "scenario.hpp"

namespace culvert::sim {

class LinkedNode;

class ControlScenario {
 public:
  explicit ControlScenario(std::uint64_t seed);
  ~ControlScenario();
  /// Breaks off with a violation when something does not hold.
  RunSummary run();

 private:
  /// What control says of the mesh in one generation: policies with their revision, and workloads
  /// with their revision and the policy that each names (-1: none).
  struct Mesh {
    std::map<int, int> policies;
    std::map<int, std::pair<int, int>> workloads;
    std::set<int> bad;  // workloads whose resource makes no sense
  };
  Mesh draw_mesh();
  void publish(Mesh mesh);
  void draw_faults();
  void outage(Time length);
  void cut_a_link();

  // What must hold.
  void check_snapshot(const mesh::Snapshot& snapshot);
  void check_certificates();
  void check_attempts(Time outage) const;
  void check_the_end();
  /// Nothing went wrong on the way to control for so long.
  bool calm_for(Time length) const;

  Rng rng_;
  Scheduler scheduler_{rng_};
  Network network_;
  std::chrono::seconds lifetime_;
  SimControl control_;
  std::vector<std::unique_ptr<LinkedNode>> nodes_;
  Mesh mesh_;
  int revision_ = 0;
  std::uint64_t generation_ = 0;
  // Every content that control ever served: name and revision.
  std::set<std::string> served_;
  bool says_nonsense_ = false;
  Time disturbed_until_{};
  RunSummary summary_;
};

}  // namespace culvert::sim
