#include "identities.hpp"

#include <fmt/format.h>
#include <kubernetes.pb.h>

#include <algorithm>

#include "control/compile/waypoints.hpp"
#include "culvert/config/waypoint_names.hpp"
#include "peers.hpp"

namespace culvert::control {
namespace {

constexpr const char* kRedirection = "ambient.istio.io/redirection";

bool is_meshed(const api::k8s::Pod& pod) {
  const auto& annotations = pod.metadata().annotations();
  const auto redirection = annotations.find(kRedirection);
  return redirection != annotations.end() && redirection->second == "enabled";
}

/// Whether the pod itself says that it runs our proxy: "culvert-waypoint", with any registry and
/// tag.
bool runs_proxy(const api::k8s::Pod& pod) {
  return std::ranges::any_of(pod.spec().containers(), [](const auto& container) {
    return config::is_waypoint_image(container.image());
  });
}

/// A waypoint's or an edge's: it asks for its certificate itself.
bool speaks_for_itself(const Waypoints& waypoints, const std::string& ns,
                       const api::k8s::Pod& pod) {
  const policy::Labels labels(pod.metadata().labels().begin(), pod.metadata().labels().end());
  if (waypoints.is_part_of_waypoint(ns, labels)) return true;
  // An edge, which its own namespace says: its image, or a Gateway there. Another's selector alone
  // gives no right to its identity. Between one Gateway and the next it stays what it is.
  const auto edges = waypoints.edges_of(labels);
  const bool pretends = labels.contains(std::string(config::kGatewayName));
  return (runs_proxy(pod) && !pretends) ||
         std::ranges::any_of(edges, [&](const auto& edge) { return edge.starts_with(ns + "/"); });
}

bool may_run(const api::k8s::Pod& pod) {
  const std::string& phase = pod.status().phase();
  return !pod.spec().host_network() && phase != "Succeeded" && phase != "Failed";
}

const std::string& service_account(const api::k8s::PodSpec& spec) {
  static const std::string kDefault = "default";
  if (!spec.service_account_name().empty()) return spec.service_account_name();
  return spec.service_account().empty() ? kDefault : spec.service_account();
}

}  // namespace

IdentitiesByPeer identities_by_peer(const config::ObjectMap& objects,
                                    std::string_view trust_domain) {
  IdentitiesByPeer out;
  const Waypoints waypoints(objects, "");
  for (const auto& [key, object] : objects) {
    if (key.kind == "Node") out[key.name];
    if (key.kind != "Pod") continue;
    const auto& pod = config::message_as<api::k8s::Pod>(*object);
    const auto node = pod.spec().node_name();
    if (node.empty() || !may_run(pod) || !objects.contains({"Node", "", node})) continue;
    const std::string identity =
        fmt::format("spiffe://{}/ns/{}/sa/{}", trust_domain, key.ns, service_account(pod.spec()));
    if (is_meshed(pod)) out[node].insert(identity);
    if (speaks_for_itself(waypoints, key.ns, pod)) {
      out[proxy_peer(key.ns, key.name)].insert(identity);
    }
  }
  return out;
}

}  // namespace culvert::control
