// A waypoint's pods started anew, one after the other, or one of them, or an edge: each is no
// endpoint before it ends, and a waypoint's that has no sibling gets a stand-in first, so that
// somebody serves at every moment.
#include <fmt/format.h>

#include <algorithm>

#include "lab/changes.hpp"
#include "lab/config_folder.hpp"
#include "lab/lab.hpp"
#include "lab/pods.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

// Restarts one pod in its place.
Outcome<void> renew(LabState& state, const Pod& pod, std::chrono::seconds timeout) {
  if (auto told = retire(state, {pod}, timeout); !told) return told;
  if (auto restarted = restart_pod(state, pod); !restarted) return restarted;
  if (auto settled = settle(state, true, timeout); !settled)
    return std::unexpected(settled.error());
  return {};
}

// One more pod of the Gateway, ready and an endpoint.
Outcome<Pod> stand_in(LabState& state, const Gateway& gateway, std::chrono::seconds timeout) {
  Manifest wanted;
  wanted.pods.push_back(waypoint_replica(gateway, gateway.replicas + 1));
  AddressPool pool = pool_of(state);
  auto placed = place(wanted, state.objects, state.mesh, pool, random_uid);
  if (!placed) return std::unexpected(placed.error());
  const Pod pod = placed->pods.front();
  state.objects.pods.push_back(pod);
  if (auto written = write_objects(state); !written) return std::unexpected(written.error());
  if (auto saved = save_state(state); !saved) return std::unexpected(saved.error());
  if (auto started = start_pods(state, {pod}); !started) return std::unexpected(started.error());
  if (auto settled = settle(state, true, timeout); !settled)
    return std::unexpected(settled.error());
  return pod;
}

Outcome<void> renew_all(LabState& state, const std::vector<Pod>& pods,
                        std::chrono::seconds timeout) {
  const auto gateway = std::ranges::find(state.objects.gateways,
                                         pods.front().ns + "/" + pods.front().owner, &Gateway::key);
  std::optional<Pod> extra;
  const bool alone =
      std::ranges::count_if(state.objects.pods, [&](const Pod& pod) {
        return is_waypoint(pod) && pod.ns == pods.front().ns && pod.owner == pods.front().owner;
      }) == 1;
  if (alone && gateway != state.objects.gateways.end()) {
    auto pod = stand_in(state, *gateway, timeout);
    if (!pod) return std::unexpected(pod.error());
    extra = std::move(*pod);
  }
  for (const Pod& pod : pods)
    if (auto renewed = renew(state, pod, timeout); !renewed) return renewed;
  if (!extra) return {};
  if (auto told = retire(state, {*extra}, timeout); !told) return told;
  if (auto gone = take_out(state, *extra); !gone) return gone;
  if (auto settled = settle(state, true, timeout); !settled)
    return std::unexpected(settled.error());
  return {};
}

}  // namespace

Outcome<std::vector<Pod>> waypoint_pods(const LabState& state, const std::string& name) {
  const std::string key = name.find('/') == std::string::npos ? "default/" + name : name;
  std::vector<Pod> out;
  std::string others;
  for (const Pod& pod : state.objects.pods)
    if (is_waypoint(pod) && pod.ns + "/" + pod.owner == key) out.push_back(pod);
  for (const Gateway& gateway : state.objects.gateways) others += " " + gateway.key();
  if (out.empty())
    return problem(fmt::format("lab {} runs no pod of a waypoint {}", state.name, key),
                   others.empty() ? "apply a Gateway with gatewayClassName: culvert-waypoint"
                                  : "its Gateways:" + others);
  return out;
}

namespace {

// `find(state)` gives the pods.
template <class F>
Outcome<void> restart_found(const std::string& lab_name, std::chrono::seconds timeout, F find) {
  auto lab = open_lab(lab_name);
  if (!lab) return std::unexpected(lab.error());
  Outcome<std::vector<Pod>> pods = find(lab->state);
  if (!pods) return std::unexpected(pods.error());
  auto renewed = renew_all(lab->state, *pods, timeout);
  // Whatever was reached is what the lab now is.
  if (auto saved = save_state(lab->state); !saved) return saved;
  return renewed;
}

}  // namespace

Outcome<void> restart_waypoint(const std::string& lab_name, const std::string& name,
                               std::chrono::seconds timeout) {
  return restart_found(lab_name, timeout,
                       [&](const LabState& state) { return waypoint_pods(state, name); });
}

Outcome<void> restart_proxy_pod(const std::string& lab_name, const std::string& pod,
                                std::chrono::seconds timeout) {
  return restart_found(lab_name, timeout, [&](const LabState& state) -> Outcome<std::vector<Pod>> {
    auto found = find_pod(state, pod);
    if (!found) return std::unexpected(found.error());
    return std::vector{std::move(*found)};
  });
}

}  // namespace culvert::lab
