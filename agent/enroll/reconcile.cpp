// The parts of Enrollment that compare the book with the node: at the start, and again and again.
#include <fmt/format.h>

#include "culvert/base/log.hpp"
#include "enrollment.hpp"

namespace culvert::agent {

Outcome<Enrollment::Captured> Enrollment::captured() {
  const auto list = capture_.captured();
  if (!list) return std::unexpected(list.error());
  Captured out;
  for (const CapturedNetns& netns : *list) out[netns.cookie] = netns;
  return out;
}

Outcome<void> Enrollment::resume(const std::vector<Pod>& known) {
  const std::lock_guard lock(mutex_);
  auto left = captured();
  if (!left) return std::unexpected(left.error());
  for (const Pod& pod : known) take_up(pod, *left);
  for (const auto& [uid, entry] : pods_) left->erase(entry.pod.netns_cookie);
  for (const auto& [cookie, netns] : *left) {
    if (!ending_.try_emplace(cookie).second) continue;
    log::warn(
        "netns cookie {} is captured but no pod is known for it: it refuses until it is enrolled "
        "again",
        cookie);
  }
  if (auto saved = save(); !saved) return saved;
  log::info("{} pods taken up, {} namespaces ending", pods_.size(), ending_.size());
  handover_.set_complete();
  return {};
}

// One entry of pods.json: path and cookie must still be the same namespace.
void Enrollment::take_up(const Pod& pod, const Captured& captured) {
  const auto opened = capture_.open_netns(pod.spec.netns);
  const bool gone = opened ? opened->cookie != pod.netns_cookie : opened.error().gone;
  if (gone) {
    log::info("pod {}/{} (uid {}) is gone: its network namespace is", pod.spec.pod_namespace,
              pod.spec.name, pod.spec.uid);
    if (captured.contains(pod.netns_cookie)) ending_[pod.netns_cookie] = pod.spec;
    return;
  }
  Entry& entry = pods_[pod.spec.uid] = {pod, CaptureState::kFailed, ""};
  if (!opened) {
    entry.error = opened.error().problem.what;
    return;
  }
  if (auto done = capture(entry, opened->fd.get()); !done) {
    log::error("pod {}/{}: {}", pod.spec.pod_namespace, pod.spec.name, done.error().what);
  }
}

// The file of the namespace is gone. Its processes, if any, stay captured (and refused, once
// ztunnel has let go) until the kernel frees the namespace.
void Enrollment::end(const Pod& pod) {
  log::info("pod {}/{} (uid {}) went away without being removed", pod.spec.pod_namespace,
            pod.spec.name, pod.spec.uid);
  ending_[pod.netns_cookie] = pod.spec;
  handover_.remove(pod.spec.uid);
  pods_.erase(pod.spec.uid);
}

void Enrollment::check_pods(const Captured& captured) {
  std::vector<Pod> ended;
  for (auto& [uid, entry] : pods_) {
    const auto opened = capture_.open_netns(entry.pod.spec.netns);
    if (!opened && !opened.error().gone) continue;  // not certain: leave it as it is
    if (!opened || opened->cookie != entry.pod.netns_cookie) {
      ended.push_back(entry.pod);
      continue;
    }
    const auto known = captured.find(entry.pod.netns_cookie);
    const bool complete = known != captured.end() && known->second.complete;
    const bool settled = complete && entry.state == CaptureState::kCaptured;
    if (settled && !known->second.unguarded) continue;
    const std::string former = entry.error;
    const auto done = capture(entry, opened->fd.get());
    if (done && !settled)
      log::warn("pod {}/{} is captured again", entry.pod.spec.pod_namespace, entry.pod.spec.name);
    if (!done && entry.error != former) {
      log::error("pod {}/{}: {}", entry.pod.spec.pod_namespace, entry.pod.spec.name, entry.error);
    }
  }
  for (const Pod& pod : ended) end(pod);
  if (ended.empty()) return;
  if (auto saved = save(); !saved) log::error("{}", saved.error().what);
}

void Enrollment::release_freed(const Captured& captured) {
  for (auto it = ending_.begin(); it != ending_.end();) {
    if (!captured.contains(it->first)) {
      it = ending_.erase(it);
      continue;
    }
    if (!capture_.netns_freed(it->first)) {
      ++it;
      continue;
    }
    if (auto done = capture_.release(it->first, -1); !done) {
      log::error("release netns cookie {}: {}", it->first, done.error().what);
      ++it;
      continue;
    }
    log::info("netns cookie {} is freed and released", it->first);
    it = ending_.erase(it);
  }
}

void Enrollment::check() {
  const std::lock_guard lock(mutex_);
  const auto now_captured = captured();
  if (!now_captured) {
    log::error("{}", now_captured.error().what);
    return;
  }
  check_pods(*now_captured);
  release_freed(*now_captured);
}

void Enrollment::check_maps() {
  const std::lock_guard lock(mutex_);
  const auto maps = capture_.map_fill();
  if (!maps) {
    log::error("{}", maps.error().what);
    return;
  }
  const MapAlarm::News news = alarm_.look(*maps);
  for (const MapFill& map : news.full)
    log::error("{} holds {} of {} entries; once it is full, what needs one is refused", map.map,
               map.entries, map.capacity);
  for (const MapFill& map : news.calm)
    log::info("{} holds {} of {} entries again", map.map, map.entries, map.capacity);
}

std::vector<std::string> Enrollment::full_maps() const {
  const std::lock_guard lock(mutex_);
  return {alarm_.full().begin(), alarm_.full().end()};
}

Outcome<void> Enrollment::mend() {
  const std::lock_guard lock(mutex_);
  Outcome<void> first = capture_.restore_excludes();
  const auto keep = [&first](const Outcome<void>& done) {
    if (!done && first) first = done;
  };
  auto strange = captured();
  if (!strange) return std::unexpected(strange.error());
  for (auto& [uid, entry] : pods_) {
    strange->erase(entry.pod.netns_cookie);
    const auto opened = capture_.open_netns(entry.pod.spec.netns);
    if (opened && opened->cookie == entry.pod.netns_cookie) keep(capture(entry, opened->fd.get()));
  }
  for (const auto& [cookie, spec] : ending_) strange->erase(cookie);
  for (const auto& [cookie, complete] : *strange) {
    log::warn("netns cookie {} is captured but nobody's pod: released", cookie);
    keep(capture_.release(cookie, -1));
  }
  return first;
}

void Enrollment::check_order() {
  const std::lock_guard lock(mutex_);
  auto warnings = capture_.check_order();
  if (!warnings) {
    log::error("{}", warnings.error().what);
    return;
  }
  if (*warnings == order_warnings_) return;
  for (const std::string& warning : *warnings) log::warn("{}", warning);
  if (warnings->empty()) log::info("nothing comes before our hooks any more");
  order_warnings_ = std::move(*warnings);
}

}  // namespace culvert::agent
