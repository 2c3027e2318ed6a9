#include "lab/changes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "lab/components.hpp"
#include "lab/config_folder.hpp"
#include "lab/pods.hpp"

namespace culvert::lab {

constexpr std::chrono::seconds kSyncWait{20};

Outcome<OpenLab> open_lab(const std::string& name) {
  const LabNames names(name);
  auto lock = LabLock::open(names);
  if (!lock) return std::unexpected(lock.error());
  auto state = load_state(names);
  if (!state) return std::unexpected(state.error());
  if (!state->up)
    return problem(fmt::format("lab {} was left half made", name),
                   fmt::format("remove it with: culvert lab down --name {}", name));
  return OpenLab{std::move(*lock), std::move(*state)};
}

AddressPool pool_of(const LabState& state) {
  AddressPool pool(state.plan);
  for (const Node& node : state.objects.nodes)
    for (const IpAddress& ip : node.ips) pool.take(ip);
  for (const Pod& pod : state.objects.pods)
    for (const IpAddress& ip : pod.ips) pool.take(ip);
  for (const Service& service : state.objects.services)
    for (const IpAddress& ip : service.cluster_ips) pool.take(ip);
  return pool;
}

Outcome<void> take_out(LabState& state, const Pod& pod) {
  if (pod.meshed())
    if (auto gone = withdraw(state, pod); !gone) return gone;
  if (auto removed = remove_pod(state, pod); !removed) return removed;
  std::erase_if(state.objects.pods, [&](const Pod& p) { return p.key() == pod.key(); });
  return {};
}

Outcome<void> retire(LabState& state, const std::vector<Pod>& leaving,
                     std::chrono::seconds timeout) {
  bool any = false;
  for (Pod& pod : state.objects.pods) {
    const bool leaves = std::ranges::find(leaving, pod.key(), &Pod::key) != leaving.end();
    if (!leaves || !pod.ready || std::ranges::none_of(pod.containers, &Container::waypoint))
      continue;
    pod.ready = false;
    any = true;
  }
  if (!any) return {};
  if (auto written = write_objects(state); !written) return written;
  if (auto synced = sync_config(state, timeout); !synced) return std::unexpected(synced.error());
  return {};
}

Outcome<void> start_pods(const LabState& state, const std::vector<Pod>& pods) {
  for (const Pod& pod : pods)
    if (auto made = prepare_pod(state, pod); !made) return made;
  if (auto written = write_hosts(state); !written) return written;
  // A waypoint asks for its certificate first of all: control has to know its pod by then.
  const bool proxies = std::ranges::any_of(pods, [](const Pod& pod) {
    return std::ranges::any_of(pod.containers, &Container::waypoint);
  });
  if (proxies)
    if (auto synced = sync_config(state, kSyncWait); !synced)
      return std::unexpected(synced.error());
  for (const Pod& pod : pods) {
    // A meshed pod's first instruction runs after its capture is in place.
    if (pod.meshed())
      if (auto enrolled = enroll(state, pod); !enrolled) return enrolled;
    if (auto started = start_pod(state, pod); !started) return started;
  }
  return {};
}

Outcome<std::vector<Note>> settle(LabState& state, bool wait, std::chrono::seconds timeout) {
  if (auto written = write_objects(state); !written) return std::unexpected(written.error());
  if (!wait) return std::vector<Note>{};
  if (auto ready = wait_ready(state, timeout); !ready) return std::unexpected(ready.error());
  if (!state.mesh) return std::vector<Note>{};
  return sync_config(state, timeout);
}

}  // namespace culvert::lab
