// The node's capture: BPF programs on the cgroup's hooks, maps and links pinned so that they
// outlive the agent, and the pods that are enrolled. Owned by the agent. Different pods may be
// enrolled and removed by several threads at once; all other calls come from one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "guard.hpp"
#include "links.hpp"
#include "map_fill.hpp"
#include "older_sockets.hpp"
#include "pod_addresses.hpp"
#include "problem.hpp"
#include "programs.hpp"

struct cv_pod_value;

namespace culvert::agent {

inline constexpr std::uint16_t kDefaultBlockFirst = 288;
inline constexpr unsigned kMaxExcludes = 1024;  // ranges and ports together (CV_MAX_EXCLUDES)

struct DatapathSettings {
  std::string pin_dir;  // on a bpf file system; no dots in its names (bpffs refuses them)
  std::string cgroup;   // cgroup2 folder whose processes are captured: the root, or a lab node's
  std::string kubelet_cgroup;                      // empty: no probe passes around ztunnel
  std::uint16_t block_first = kDefaultBlockFirst;  // 16 ports from here; a multiple of 16, not 0
  std::vector<IpPrefix> exclude_ranges;            // destinations that stay untouched
  std::vector<std::uint16_t> exclude_ports;
  unsigned max_handshakes = 0;             // entries of cv_origin and cv_client; 0: 65,536
  GuardHook guard_hook = GuardHook::kTcx;  // where the kernel has it; else clsact
};
/// "288-303": the first port, when it is a block of 16 that starts at a multiple of 16.
std::optional<std::uint16_t> parse_block(std::string_view text);

struct EnrolledPod {
  std::uint64_t netns_cookie = 0;
  PodAddresses addresses;
  GuardMode guard = GuardMode::kOff;
  bool ready = false;       // its outbound connections are redirected; refused while false
  bool linked = false;      // sk_lookup hangs in its namespace
  bool guard_lost = false;  // the interface that the guard hung on is gone
  // It is to have a guard, and no pin shows one: no interface of it had its addresses, or a clsact
  // filter is the guard, of which only a look inside can say that it still stands. Enroll it again.
  bool unguarded = false;
};
struct DesiredPod {
  int netns_fd = -1;  // borrowed for the call
  PodAddresses addresses;
  GuardMode guard = GuardMode::kStrict;
};
struct SyncReport {
  unsigned enrolled = 0, unchanged = 0, removed = 0;
  std::vector<Problem> problems;      // of single pods; the rest was done
  std::vector<std::string> warnings;  // who comes before us on a hook
};

class Datapath {
 public:
  /// Loads, or takes over what a former agent pinned: programs are swapped in place, enrolled pods
  /// stay enrolled throughout, pods whose namespace is gone are forgotten.
  static Outcome<Datapath> open(const DatapathSettings& settings);

  /// Captures the namespace's TCP; idempotent. On failure the pod may be left refusing outbound
  /// connections, never with them passing: enroll again or unenroll. Returns the netns cookie.
  /// With a strict guard the connections that the pod had before (older_sockets.hpp) are ended when
  /// it is enrolled, and when its guard becomes strict.
  Outcome<std::uint64_t> enroll(int netns_fd, const PodAddresses& addresses,
                                GuardMode guard = GuardMode::kStrict);
  /// Ends capture and removes every trace. `netns_fd` -1 when the namespace is gone; its settings
  /// are then not put back.
  Outcome<void> unenroll(std::uint64_t netns_cookie, int netns_fd);
  Outcome<std::vector<EnrolledPod>> list() const;
  /// How full the maps are that pods or traffic grow.
  Outcome<std::vector<MapFill>> fill() const;
  /// The pod's connections that go past ztunnel.
  Outcome<std::vector<OlderSocket>> past_ztunnel(int netns_fd) const;
  /// Makes the kernel's state the desired one, and checks the order on the hooks.
  Outcome<SyncReport> sync(std::span<const DesiredPod> desired);
  /// Makes cv_exclude hold what the settings say and nothing else.
  Outcome<void> write_excludes();
  /// Moves our programs to the front where something came before them, and says what still does.
  Outcome<std::vector<std::string>> check_order();

  const std::string& pin_dir() const { return settings_.pin_dir; }
  Placement placement() const { return placement_; }

 private:
  Datapath(DatapathSettings settings, Programs programs)
      : settings_(std::move(settings)), programs_(std::move(programs)) {}
  Outcome<void> attach_hook(const HookSpec& hook, const std::string& cgroup);
  Outcome<void> adopt_pods();
  Outcome<void> link_pod(std::uint64_t cookie, int netns_fd);
  Outcome<void> guard_pod(const GuardPlace& place, const PodAddresses& addresses, GuardMode guard,
                          cv_pod_value& value);
  Outcome<void> adopt_guards(std::uint64_t cookie);
  void end_older(int netns_fd, std::uint64_t cookie) const;
  ExemptMaps exempt_maps() const;
  GuardPlace guard_place(std::uint64_t cookie, int netns_fd) const;
  std::string pod_pin(std::uint64_t cookie) const;

  DatapathSettings settings_;
  Programs programs_;
  UniqueFd lock_;  // flock on pin_dir: one agent at a time
  Placement placement_ = Placement::kPlain;
};

/// Ends capture on the node: detaches and removes everything pinned in `pin_dir`. Returns how many
/// links were removed. The pods' namespaces keep their two settings (see pod_sysctls.hpp).
Outcome<unsigned> unload(const std::string& pin_dir);

}  // namespace culvert::agent
