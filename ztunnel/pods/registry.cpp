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
    if (known->second->netns_cookie == *cookie) return {};
    remove(uid);
  }
  auto pod = std::make_shared<Pod>(Pod{uid, std::move(ns), std::move(name),
                                       std::move(service_account), std::move(netns), *cookie});
  const unsigned count =
      std::min<unsigned>(static_cast<unsigned>(workers_.size()), bpf::kListenerSlots);
  auto listeners = open_listeners(*pod, count);
  if (!listeners) return std::unexpected(listeners.error());
  if (auto offered = offer_listeners(maps_, *pod, *listeners); !offered) return offered;

  // With more workers than slots a pod's connections stay on some of them, spread by pod.
  const std::size_t first = count < workers_.size() ? *cookie % workers_.size() : 0;
  for (unsigned slot = 0; slot < count; ++slot) {
    std::vector<Listener> mine;
    for (auto& listener : *listeners) {
      if (listener.slot == slot) mine.push_back(std::move(listener));
    }
    auto shared = std::make_shared<std::vector<Listener>>(std::move(mine));
    workers_[(first + slot) % workers_.size()]->post(
        [pod, shared](Worker& worker) { worker.add_pod(pod, std::move(*shared)); });
  }
  log::info("pod {}/{} added (netns cookie {})", pod->ns, pod->name, *cookie);
  wanted_(identity_of(*pod));
  pods_.emplace(uid, std::move(pod));
  return {};
}

void PodRegistry::remove(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const PodPtr pod = found->second;
  pods_.erase(found);
  for (const auto kind :
       {bpf::ListenerKind::kOutbound, bpf::ListenerKind::kHbone, bpf::ListenerKind::kPlaintext}) {
    for (const int family : {AF_INET, AF_INET6}) {
      for (unsigned slot = 0; slot < bpf::kListenerSlots; ++slot) {
        (void)maps_.clear_listener(pod->netns_cookie, kind, family, slot);
      }
    }
  }
  for (auto& worker : workers_) {
    worker->post([uid](Worker& w) { w.remove_pod(uid); });
  }
  log::info("pod {}/{} removed", pod->ns, pod->name);
  unwanted_(identity_of(*pod));
}

void PodRegistry::retain(const std::vector<std::string>& keep) {
  std::vector<std::string> gone;
  for (const auto& [uid, pod] : pods_) {
    if (std::ranges::find(keep, uid) == keep.end()) gone.push_back(uid);
  }
  for (const auto& uid : gone) remove(uid);
}

std::vector<PodPtr> PodRegistry::pods() const {
  std::vector<PodPtr> out;
  for (const auto& [uid, pod] : pods_) out.push_back(pod);
  return out;
}

}  // namespace culvert::ztunnel
