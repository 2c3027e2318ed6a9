// The parts of Enrollment that compare the book with the node: at the start, and again and again.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

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

// Threads take the pods in turn. What was removed or replaced before its turn is left alone.
void Enrollment::capture_side_by_side(Lock& lock, std::vector<ToCapture> pods,
                                      const Captures& report) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < pods.size(); i = next++) {
      const Pod& pod = pods[i].pod;
      Lock own(mutex_);
      const Hold pod_held(busy_pods_, own, pod.spec.uid);
      const Hold namespace_held(busy_namespaces_, own, pod.netns_cookie);
      const auto found = pods_.find(pod.spec.uid);
      if (found == pods_.end() || found->second.pod != pod) continue;
      const Entry before = found->second;
      (void)capture(own, pod.spec.uid, pods[i].netns.get());
      report(found->second, before);
    }
  };
  lock.unlock();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::min(pods.size(), kCaptureThreads); ++i)
    threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  lock.lock();
}

Outcome<void> Enrollment::resume(const std::vector<Pod>& known) {
  Lock lock(mutex_);
  auto left = captured();
  if (!left) return std::unexpected(left.error());
  std::vector<ToCapture> there;
  for (const Pod& pod : known)
    if (auto opened = take_up(pod, *left)) there.push_back(std::move(*opened));
  capture_side_by_side(lock, std::move(there), [](const Entry& now, const Entry&) {
    if (now.state == CaptureState::kFailed)
      log::error("pod {}/{}: {}", now.pod.spec.pod_namespace, now.pod.spec.name, now.error);
  });
  for (const auto& [uid, entry] : pods_) left->erase(entry.pod.netns_cookie);
  for (const auto& [cookie, netns] : *left) {
    if (!ending_.try_emplace(cookie).second) continue;
    log::warn(
        "netns cookie {} is captured but no pod is known for it: it refuses until it is enrolled "
        "again",
        cookie);
  }
  if (auto saved = save(lock); !saved) return saved;
  log::info("{} pods taken up, {} namespaces ending", pods_.size(), ending_.size());
  handover_.set_complete();
  return {};
}

// One entry of pods.json: path and cookie must still be the same namespace. Nothing when it is not
// to be captured now.
std::optional<Enrollment::ToCapture> Enrollment::take_up(const Pod& pod, const Captured& captured) {
  auto opened = capture_.open_netns(pod.spec.netns);
  const bool gone = opened ? opened->cookie != pod.netns_cookie : opened.error().gone;
  if (gone) {
    log::info("pod {}/{} (uid {}) is gone: its network namespace is", pod.spec.pod_namespace,
              pod.spec.name, pod.spec.uid);
    if (captured.contains(pod.netns_cookie)) ending_[pod.netns_cookie] = pod.spec;
    return std::nullopt;
  }
  Entry& entry = pods_[pod.spec.uid] = {pod, CaptureState::kFailed, ""};
  if (opened) return ToCapture{pod, std::move(opened->fd)};
  entry.error = opened.error().problem.what;
  return std::nullopt;
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

// The pods whose namespace has lost its name; in `again` those that are to be captured once more.
// Those that somebody is at work on are left to him.
std::vector<Pod> Enrollment::ended_pods(const Captured& captured, std::vector<ToCapture>& again) {
  std::vector<Pod> ended;
  for (const auto& [uid, entry] : pods_) {
    if (busy_pods_.contains(uid)) continue;
    auto opened = capture_.open_netns(entry.pod.spec.netns);
    if (!opened && !opened.error().gone) continue;  // not certain: leave it as it is
    if (!opened || opened->cookie != entry.pod.netns_cookie) {
      ended.push_back(entry.pod);
      continue;
    }
    const auto known = captured.find(entry.pod.netns_cookie);
    const bool complete = known != captured.end() && known->second.complete;
    const bool settled = complete && entry.state == CaptureState::kCaptured;
    if (!settled || known->second.unguarded) again.push_back({entry.pod, std::move(opened->fd)});
  }
  return ended;
}

void Enrollment::release_freed(const Captured& captured) {
  for (auto it = ending_.begin(); it != ending_.end();) {
    if (busy_namespaces_.contains(it->first)) {
      ++it;
      continue;
    }
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
  Lock lock(mutex_);
  const auto now_captured = captured();
  if (!now_captured) {
    log::error("{}", now_captured.error().what);
    return;
  }
  std::vector<ToCapture> again;
  const std::vector<Pod> ended = ended_pods(*now_captured, again);
  for (const Pod& pod : ended) end(pod);
  release_freed(*now_captured);
  if (!ended.empty())
    if (auto saved = save(lock); !saved) log::error("{}", saved.error().what);
  capture_side_by_side(lock, std::move(again), [&](const Entry& now, const Entry& before) {
    const PodSpec& spec = now.pod.spec;
    const auto known = now_captured->find(now.pod.netns_cookie);
    const bool was_settled = before.state == CaptureState::kCaptured &&
                             known != now_captured->end() && known->second.complete;
    if (now.state == CaptureState::kCaptured && !was_settled)
      log::warn("pod {}/{} is captured again", spec.pod_namespace, spec.name);
    if (now.state != CaptureState::kCaptured && now.error != before.error)
      log::error("pod {}/{}: {}", spec.pod_namespace, spec.name, now.error);
  });
}

void Enrollment::check_maps() {
  const std::lock_guard lock(mutex_);
  auto maps = capture_.map_fill();
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
  map_fills_ = std::move(*maps);
}

std::vector<MapFill> Enrollment::map_fills() const {
  const std::lock_guard lock(mutex_);
  return map_fills_;
}

std::vector<std::string> Enrollment::full_maps() const {
  const std::lock_guard lock(mutex_);
  return {alarm_.full().begin(), alarm_.full().end()};
}

Outcome<void> Enrollment::mend() {
  Lock lock(mutex_);
  Outcome<void> first = capture_.restore_excludes();
  const auto keep = [&first](const Outcome<void>& done) {
    if (!done && first) first = done;
  };
  auto strange = captured();
  if (!strange) return std::unexpected(strange.error());
  std::vector<ToCapture> pods;
  for (const auto& [uid, entry] : pods_) {
    auto opened = capture_.open_netns(entry.pod.spec.netns);
    if (opened && opened->cookie == entry.pod.netns_cookie)
      pods.push_back({entry.pod, std::move(opened->fd)});
  }
  capture_side_by_side(lock, std::move(pods), [&](const Entry& now, const Entry&) {
    if (now.state != CaptureState::kCaptured) keep(problem(now.error));
  });
  // Pods may have come meanwhile.
  for (const auto& [uid, entry] : pods_) strange->erase(entry.pod.netns_cookie);
  for (const auto& [cookie, spec] : ending_) strange->erase(cookie);
  for (const auto& [cookie, complete] : *strange) {
    if (busy_namespaces_.contains(cookie)) continue;
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
