// Enrollment: which pods of this node are in the mesh, and making it so. Called by the admin
// threads and by the agent's main thread; ZDS learns of it through the Handover. The book is under
// one lock, which is let go while the kernel captures or the file is written: those wait for grace
// periods and disks, so pods are captured side by side. One thread at a time is at work on a pod.
//
// Every step fails closed: pods.json is written before a pod is captured and a pod is captured
// before ztunnel hears of it, so that dying in between leaves a pod that refuses connections. A
// namespace that lost its name stays captured until the kernel frees it: processes may still run in
// it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "capture.hpp"
#include "handover.hpp"
#include "holds.hpp"
#include "pod.hpp"

namespace culvert::agent {

inline constexpr std::size_t kMaxPods = 1024;  // the capacity of cv_pod
/// Pods that are captured at once where the agent captures many by itself: at its start, and when
/// they were taken out of the kernel. More do not help: attaching takes turns in the kernel.
inline constexpr std::size_t kCaptureThreads = 8;

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
  /// What the last check_maps() found.
  std::vector<MapFill> map_fills() const;
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
  using Lock = std::unique_lock<std::mutex>;
  struct ToCapture {
    Pod pod;
    UniqueFd netns;
  };
  /// Under the lock, for each pod that was tried: its entry now and before.
  using Captures = std::function<void(const Entry& now, const Entry& before)>;

  Outcome<Captured> captured();
  // These let the lock go meanwhile.
  Outcome<void> save(Lock& lock);
  Outcome<void> capture(Lock& lock, const std::string& uid, int netns_fd);
  std::expected<void, Refusal> release_sandbox(Lock& lock, const Pod& pod);
  void capture_side_by_side(Lock& lock, std::vector<ToCapture> pods, const Captures& report);
  // These do not.
  std::optional<ToCapture> take_up(const Pod& pod, const Captured& captured);
  std::expected<void, Refusal> admit(const PodSpec& spec, std::uint64_t cookie);
  void write_down(const Pod& pod);
  void end(const Pod& pod);
  std::vector<Pod> ended_pods(const Captured& captured, std::vector<ToCapture>& again);
  void release_freed(const Captured& captured);

  Capture& capture_;
  Handover& handover_;
  const std::string boot_id_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, Entry, std::less<>> pods_;
  Busy<std::string> busy_pods_;
  Busy<std::uint64_t> busy_namespaces_;
  std::uint64_t changes_ = 0, saved_changes_ = 0;  // of pods_, and how many of them are in the file
  bool saving_ = false;
  std::condition_variable saved_;
  std::vector<std::string> order_warnings_;
  std::vector<MapFill> map_fills_;
  MapAlarm alarm_;
  std::map<std::uint64_t, PodSpec>
      ending_;  // by cookie; an empty spec when the pod's name is not known
};

}  // namespace culvert::agent
