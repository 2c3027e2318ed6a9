#include "enrollment.hpp"

#include <fmt/format.h>

#include "culvert/base/log.hpp"
#include "pod_json.hpp"

namespace culvert::agent {
namespace {

std::unexpected<Refusal> refuse(Fault fault, std::string what, std::string next) {
  return std::unexpected(Refusal{fault, {std::move(what), std::move(next)}});
}
std::unexpected<Refusal> refuse(Fault fault, Problem problem) {
  return std::unexpected(Refusal{fault, std::move(problem)});
}
std::string full_name(const PodSpec& spec) {
  return spec.pod_namespace + "/" + spec.name;
}

}  // namespace

// One thread writes for all that wait: pods that come side by side share a file.
Outcome<void> Enrollment::save(Lock& lock) {
  const std::uint64_t mine = ++changes_;
  while (saved_changes_ < mine) {
    if (saving_) {
      saved_.wait(lock);
      continue;
    }
    saving_ = true;
    const std::uint64_t until = changes_;
    std::vector<Pod> pods;
    for (const auto& [uid, entry] : pods_) pods.push_back(entry.pod);
    lock.unlock();
    auto written = capture_.save(format_pods(pods, boot_id_));
    lock.lock();
    saving_ = false;
    saved_.notify_all();
    if (!written) return written;  // the others try for themselves
    saved_changes_ = until;
  }
  return {};
}

// The pod and its namespace are held, so its entry stays.
Outcome<void> Enrollment::capture(Lock& lock, const std::string& uid, int netns_fd) {
  Entry& entry = pods_.at(uid);
  const PodSpec spec = entry.pod.spec;
  lock.unlock();
  auto done = capture_.capture(netns_fd, spec);
  lock.lock();
  entry.state = done ? CaptureState::kCaptured : CaptureState::kFailed;
  entry.error = done ? "" : done.error().what;
  if (done) handover_.add(entry.pod);
  return done;
}

std::expected<void, Refusal> Enrollment::admit(const PodSpec& spec, std::uint64_t cookie) {
  if (cookie == capture_.own_netns_cookie()) {
    return refuse(Fault::kInvalid, spec.netns + " is the node's own network namespace",
                  "name the pod's; host-network pods are never in the mesh");
  }
  for (const auto& [uid, entry] : pods_) {
    if (entry.pod.netns_cookie != cookie || uid == spec.uid) continue;
    return refuse(
        Fault::kConflict,
        fmt::format("{} is pod {} (uid {}) already", spec.netns, full_name(entry.pod.spec), uid),
        "DELETE /pods/" + uid + " first");
  }
  if (!pods_.contains(spec.uid) && pods_.size() >= kMaxPods) {
    return refuse(Fault::kFull, fmt::format("the node holds {} pods, which is the most", kMaxPods),
                  "place the pod on another node");
  }
  return {};
}

std::expected<void, Refusal> Enrollment::release_sandbox(Lock& lock, const Pod& pod) {
  lock.unlock();
  const auto opened = capture_.open_netns(pod.spec.netns);
  const bool same = opened && opened->cookie == pod.netns_cookie;
  auto done = capture_.release(pod.netns_cookie, same ? opened->fd.get() : -1);
  lock.lock();
  if (!done) return refuse(Fault::kNode, done.error());
  return {};
}

void Enrollment::write_down(const Pod& pod) {
  const auto before = pods_.find(pod.spec.uid);
  if (before != pods_.end() && before->second.pod.netns_cookie != pod.netns_cookie) {
    // The old sandbox may still run something: it refuses until the kernel frees it.
    ending_[before->second.pod.netns_cookie] = before->second.pod.spec;
    handover_.remove(pod.spec.uid);
  }
  pods_[pod.spec.uid] = {pod, CaptureState::kFailed, "not captured yet"};
}

std::expected<Pod, Refusal> Enrollment::enroll(const PodSpec& spec) {
  const auto opened = capture_.open_netns(spec.netns);
  if (!opened)
    return refuse(opened.error().gone ? Fault::kInvalid : Fault::kNode, opened.error().problem);
  Lock lock(mutex_);
  const Hold pod_held(busy_pods_, lock, spec.uid);
  const Hold namespace_held(busy_namespaces_, lock, opened->cookie);
  if (auto admitted = admit(spec, opened->cookie); !admitted)
    return std::unexpected(admitted.error());

  const Pod pod{spec, opened->cookie};
  const auto before = pods_.find(spec.uid);
  const bool known = before != pods_.end() && before->second.pod == pod;
  if (!known) write_down(pod);
  if (!known || saved_changes_ != changes_) {  // also when it could not be written the last time
    if (auto saved = save(lock); !saved) return refuse(Fault::kNode, saved.error());
  }
  ending_.erase(pod.netns_cookie);
  if (auto done = capture(lock, spec.uid, opened->fd.get()); !done) {
    return refuse(Fault::kNode, done.error().what,
                  done.error().next.empty()
                      ? "the pod refuses connections and is tried again; DELETE /pods/" + spec.uid +
                            " gives up"
                      : done.error().next);
  }
  log::info("pod {} (uid {}) is captured, netns cookie {}", full_name(spec), spec.uid,
            pod.netns_cookie);
  return pod;
}

std::expected<bool, Refusal> Enrollment::remove(const std::string& uid) {
  Lock lock(mutex_);
  const Hold pod_held(busy_pods_, lock, uid);
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return false;
  const Pod pod = found->second.pod;
  const Hold namespace_held(busy_namespaces_, lock, pod.netns_cookie);
  auto node = pods_.extract(uid);
  if (auto saved = save(lock); !saved) {
    pods_.insert(std::move(node));
    return refuse(Fault::kNode, saved.error());
  }
  if (auto released = release_sandbox(lock, pod); !released) {
    // Still in the kernel, perhaps: keep it in the book, so that it is refused and not forgotten.
    pods_.insert(std::move(node));
    if (auto saved = save(lock); !saved) log::error("{}", saved.error().what);
    return std::unexpected(released.error());
  }
  handover_.remove(uid);
  log::info("pod {} (uid {}) is out of the mesh", full_name(pod.spec), uid);
  return true;
}

std::vector<PodStatus> Enrollment::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<PodStatus> out;
  for (const auto& [cookie, spec] : ending_) {
    out.push_back(
        {{spec, cookie},
         CaptureState::kEnding,
         "its network namespace has no name any more; refused until the kernel frees it"});
  }
  for (const auto& [uid, entry] : pods_) out.push_back({entry.pod, entry.state, entry.error});
  return out;
}

std::vector<Enrollment::PodSockets> Enrollment::past_ztunnel() const {
  std::vector<Pod> pods;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [uid, entry] : pods_) pods.push_back(entry.pod);
  }
  std::vector<PodSockets> out;
  for (const Pod& pod : pods) {
    const auto opened = capture_.open_netns(pod.spec.netns);
    if (!opened || opened->cookie != pod.netns_cookie) continue;
    out.push_back({pod, capture_.past_ztunnel(opened->fd.get())});
  }
  return out;
}

std::set<std::string> Enrollment::folders() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> out;
  for (const auto& [uid, entry] : pods_) {
    const std::string& path = entry.pod.spec.netns;
    out.insert(path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)));
  }
  return out;
}

bool Enrollment::unsettled() const {
  const std::lock_guard lock(mutex_);
  if (!ending_.empty()) return true;
  for (const auto& [uid, entry] : pods_) {
    if (entry.state != CaptureState::kCaptured) return true;
  }
  return false;
}

}  // namespace culvert::agent
