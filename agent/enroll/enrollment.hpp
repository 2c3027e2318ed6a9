// Enrollment: which pods of this node are in the mesh, and making it so. Called by the admin
// threads and by the agent's main thread, under one lock; ZDS learns of it through the Handover.
//
// Every step fails closed: pods.json is written before a pod is captured and a pod is captured
// before ztunnel hears of it, so that dying in between leaves a pod that refuses connections. A
// namespace that lost its name stays captured until the kernel frees it: processes may still run in
// it.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "capture.hpp"
#include "handover.hpp"
#include "pod.hpp"

namespace culvert::agent {

inline constexpr std::size_t kMaxPods = 1024;  // the capacity of cv_pod

enum class Fault { kInvalid, kConflict, kFull, kNode };
struct Refusal {
  Fault fault;
  Problem problem;
};

struct PodStatus {
  Pod pod;
  CaptureState state;
  std::string error;
};

class Enrollment {
 public:
  /// Both outlive it. `boot_id` is the machine's (random(4)).
  Enrollment(Capture& capture, Handover& handover, std::string boot_id)
      : capture_(capture), handover_(handover), boot_id_(std::move(boot_id)) {}

  /// At the start: takes up the pods of the former agent's pods.json whose namespaces are still
  /// there. What else the kernel captures refuses until it is enrolled again or freed.
  Outcome<void> resume(const std::vector<Pod>& known);
  /// Captures the pod and hands it over; idempotent. The same uid in another namespace replaces the
  /// old one (a new sandbox of the same pod).
  std::expected<Pod, Refusal> enroll(const PodSpec& spec);
  /// True when it was there.
  std::expected<bool, Refusal> remove(const std::string& uid);
  /// Compares with the node: forgets pods whose namespace lost its name, tries failed ones again,
  /// restores what somebody took out of the kernel, releases freed namespaces.
  void check();
  /// Looks how full the maps are; says so when one reaches kAlarmPercent, and when it is over.
  void check_maps();
  /// The maps that are too full now.
  std::vector<std::string> full_maps() const;
  /// Writes everything of the kernel's capture anew and takes out what is nobody's, now: for people
  /// who found a difference. The first problem; the rest was done.
  Outcome<void> mend();
  /// Keeps the hooks in order; warns once of each change in what comes before them.
  void check_order();

  /// Ending ones first: a uid may stand there and, in its new sandbox, among the others.
  std::vector<PodStatus> list() const;
  /// The connections of each captured pod that go past ztunnel, or why they are not known. Dumps
  /// the pods' sockets one after another: for people, not for a loop.
  struct PodSockets {
    Pod pod;
    Outcome<std::vector<OlderSocket>> sockets;
  };
  std::vector<PodSockets> past_ztunnel() const;
  /// Folders that hold the pods' namespace files.
  std::set<std::string> folders() const;
  /// Something will change by itself: check() again soon.
  bool unsettled() const;

 private:
  struct Entry {
    Pod pod;
    CaptureState state = CaptureState::kFailed;
    std::string error;
  };

  using Captured = std::map<std::uint64_t, CapturedNetns>;  // by cookie

  Outcome<Captured> captured();
  Outcome<void> save();
  Outcome<void> capture(Entry& entry, int netns_fd);
  void take_up(const Pod& pod, const Captured& captured);
  std::expected<void, Refusal> admit(const PodSpec& spec, std::uint64_t cookie);
  std::expected<void, Refusal> release_sandbox(const Pod& pod);
  void end(const Pod& pod);
  void check_pods(const Captured& captured);
  void release_freed(const Captured& captured);

  Capture& capture_;
  Handover& handover_;
  const std::string boot_id_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, Entry, std::less<>> pods_;
  std::vector<std::string> order_warnings_;
  MapAlarm alarm_;
  std::map<std::uint64_t, PodSpec>
      ending_;  // by cookie; an empty spec when the pod's name is not known
};

}  // namespace culvert::agent
