#include "ztunnel/pods/registry.hpp"

#include <algorithm>

#include "culvert/base/log.hpp"

namespace culvert::ztunnel {

std::string PodRegistry::identity_of(const Pod& pod) const {
  return mesh::Identity{settings_.trust_domain, pod.ns, pod.service_account}.to_string();
}

Result<void> PodRegistry::add(std::string uid, std::string ns, std::string name,
                              std::string service_account, UniqueFd netns) {
  const auto cookie = bpf::netns_cookie(netns.get());
  if (!cookie) return std::unexpected(cookie.error());
  if (const auto known = pods_.find(uid); known != pods_.end()) {
    if (known->second.pod->netns_cookie == *cookie) return {};
    remove(uid);
  }
  if (left_) return fail(ErrorCode::kClosed, "this ztunnel drains and takes no more pods");
  const unsigned count =
      std::min<unsigned>(static_cast<unsigned>(workers_.size()), bpf::kListenerSlots);
  Held held;
  held.pod = std::make_shared<Pod>(Pod{uid, std::move(ns), std::move(name),
                                       std::move(service_account), std::move(netns), *cookie});
  auto listeners = open_listeners(*held.pod, count);
  if (!listeners) return std::unexpected(listeners.error());
  held.listeners = std::make_shared<const std::vector<Listener>>(std::move(*listeners));
  if (!hold_back_ || !served_by_another(*held.pod)) {
    if (auto offered = offer_listeners(maps_, *held.pod, *held.listeners); !offered) return offered;
    held.offered = true;
  }
  give_to_workers(held, count);
  log::info("pod {}/{} added (netns cookie {})", held.pod->ns, held.pod->name, *cookie);
  wanted_(identity_of(*held.pod));
  pods_.emplace(uid, std::move(held));
  ++started_;
  return {};
}

// With more workers than slots a pod's connections stay on some of them, spread by pod.
void PodRegistry::give_to_workers(const Held& held, unsigned count) {
  const std::size_t first = count < workers_.size() ? held.pod->netns_cookie % workers_.size() : 0;
  for (unsigned slot = 0; slot < count; ++slot) {
    workers_[(first + slot) % workers_.size()]->post(
        [pod = held.pod, listeners = held.listeners, slot](Worker& worker) {
          worker.add_pod(pod, listeners, slot);
        });
  }
}

bool PodRegistry::served_by_another(const Pod& pod) const {
  for (const int family : {AF_INET, AF_INET6}) {
    const auto there =
        maps_.has_listener(pod.netns_cookie, bpf::ListenerKind::kOutbound, family, 0);
    if (there && *there) return true;
  }
  return false;
}

Result<void> PodRegistry::offer_all() {
  hold_back_ = left_ = false;
  Result<void> out;
  for (auto& [uid, held] : pods_) {
    if (held.listeners == nullptr) continue;
    auto offered = offer_listeners(maps_, *held.pod, *held.listeners);
    held.offered = offered.has_value();
    if (out && !offered) out = offered;
  }
  return out;
}

void PodRegistry::withdraw() {
  for (auto& [uid, held] : pods_) {
    if (held.offered && !left_) empty_slots(*held.pod);
  }
  leave_slots();
}

void PodRegistry::close_listeners() {
  for (auto& [uid, held] : pods_) held.listeners.reset();
}

void PodRegistry::empty_slots(const Pod& pod) {
  for (const auto kind :
       {bpf::ListenerKind::kOutbound, bpf::ListenerKind::kHbone, bpf::ListenerKind::kPlaintext}) {
    for (const int family : {AF_INET, AF_INET6}) {
      for (unsigned slot = 0; slot < bpf::kListenerSlots; ++slot) {
        (void)maps_.clear_listener(pod.netns_cookie, kind, family, slot);
      }
    }
  }
}

void PodRegistry::remove(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const Held held = std::move(found->second);
  pods_.erase(found);
  ++stopped_;
  if (held.offered && !left_) empty_slots(*held.pod);
  for (auto& worker : workers_) {
    worker->post([uid](Worker& w) { w.remove_pod(uid); });
  }
  log::info("pod {}/{} removed", held.pod->ns, held.pod->name);
  unwanted_(identity_of(*held.pod));
}

void PodRegistry::retain(const std::vector<std::string>& keep) {
  std::vector<std::string> gone;
  for (const auto& [uid, held] : pods_) {
    if (std::ranges::find(keep, uid) == keep.end()) gone.push_back(uid);
  }
  for (const auto& uid : gone) remove(uid);
}

std::vector<PodPtr> PodRegistry::pods() const {
  std::vector<PodPtr> out;
  for (const auto& [uid, held] : pods_) out.push_back(held.pod);
  return out;
}

}  // namespace culvert::ztunnel
