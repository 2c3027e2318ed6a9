#include "lab/expand.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "lab/names.hpp"
#include "lab/objects.hpp"
#include "lab/waypoints.hpp"

namespace culvert::lab {
namespace {

constexpr const char* kModeLabel = "istio.io/dataplane-mode";

std::string place_of(const Pod& pod) {
  return fmt::format("{}:{}: pod {}", pod.file, pod.line, pod.key());
}

Outcome<std::vector<Node>> number_nodes(const Manifest& wanted, const Placement& running,
                                        AddressPool& pool) {
  std::vector<Node> out;
  std::set<std::string> names;
  for (const Node& node : running.nodes) names.insert(node.name);
  for (const Node& node : wanted.nodes)
    if (names.insert(node.name).second) out.push_back(node);
  if (names.empty()) out.push_back(Node{.name = kOnlyNode});
  unsigned index = 0;
  for (const Node& node : running.nodes) {
    // Indexes of running nodes are never given again while they run.
    for (unsigned i = index; i < kNodesMax; ++i)
      if (node.pod_ranges.front() == subrange(pool.plan().pods_v4, 24, i)) index = i + 1;
  }
  for (Node& node : out)
    if (auto numbered = pool.number_node(node, index++); !numbered)
      return std::unexpected(numbered.error());
  return out;
}

Outcome<void> place_pod(Pod& pod, const std::vector<Node>& nodes,
                        std::map<std::string, unsigned>& load, AddressPool& pool) {
  if (pod.node.empty()) {
    const auto least = std::ranges::min_element(
        nodes, [&](const Node& a, const Node& b) { return load[a.name] < load[b.name]; });
    pod.node = least->name;
  }
  const auto node = std::ranges::find(nodes, pod.node, &Node::name);
  if (node == nodes.end())
    return problem(
        fmt::format("{}: spec.nodeName: there is no node \"{}\"", place_of(pod), pod.node),
        "add a Node object of that name, or leave nodeName out");
  ++load[pod.node];
  if (pod.host_network) {
    pod.ips = node->ips;
    return {};
  }
  for (const IpAddress& ip : pod.ips)
    if (!pool.take(ip))
      return problem(
          fmt::format("{}: status.podIP: {} is in use already", place_of(pod), ip.to_string()),
          "give each pod an address of its own, or none");
  return pool.number_pod(pod, *node);
}

}  // namespace

Membership membership_of(const Pod& pod, const std::vector<Namespace>& namespaces, bool mesh) {
  if (!mesh) return Membership::kMeshOff;
  if (pod.host_network) return Membership::kHostNetwork;
  if (std::ranges::any_of(pod.containers, &Container::waypoint)) return Membership::kWaypoint;
  if (const auto own = pod.labels.find(kModeLabel); own != pod.labels.end()) {
    if (own->second == "ambient") return Membership::kPodLabel;
    if (own->second == "none") return Membership::kOptedOut;
  }
  for (const Namespace& ns : namespaces) {
    const auto label = ns.labels.find(kModeLabel);
    if (ns.name == pod.ns && label != ns.labels.end() && label->second == "ambient")
      return Membership::kNamespaceLabel;
  }
  return Membership::kNoLabel;
}

const char* membership_reason(Membership membership) {
  switch (membership) {
    case Membership::kPodLabel:
      return "the pod's label istio.io/dataplane-mode: ambient";
    case Membership::kNamespaceLabel:
      return "its namespace's label istio.io/dataplane-mode: ambient";
    case Membership::kNoLabel:
      return "no label istio.io/dataplane-mode: ambient on it or its namespace";
    case Membership::kOptedOut:
      return "the pod's label istio.io/dataplane-mode: none";
    case Membership::kHostNetwork:
      return "it uses the host network";
    case Membership::kMeshOff:
      return "the lab runs with --mesh=none";
    case Membership::kWaypoint:
      return "it runs culvert-waypoint, which speaks for itself";
  }
  return "";
}

Pod fresh_pod(const Pod& pod) {
  const Document document{.file = pod.file,
                          .line = pod.line,
                          .text = pod.source,
                          .kind = "Pod",
                          .ns = pod.ns,
                          .name = pod.name};
  Pod out = read_pod(document).value_or(pod);  // it was read from this text before
  out.owner = pod.owner;
  out.folder = pod.folder;
  return out;
}

Outcome<void> check_netns_names(const std::vector<Pod>& pods) {
  std::map<std::string, std::string> seen;
  for (const Pod& pod : pods) {
    if (pod.host_network) continue;
    const auto [at, fresh] = seen.emplace(LabNames("x").pod_netns(pod.ns, pod.name), pod.key());
    if (!fresh && at->second != pod.key())
      return problem(fmt::format("pods {} and {} would share the netns name {}", at->second,
                                 pod.key(), at->first),
                     "rename one of them");
  }
  return {};
}

Outcome<Placement> place(const Manifest& wanted, const Placement& running, bool mesh,
                         AddressPool& pool, const std::function<std::string()>& new_uid) {
  Placement out;
  auto nodes = number_nodes(wanted, running, pool);
  if (!nodes) return std::unexpected(nodes.error());
  out.nodes = std::move(*nodes);
  out.namespaces = running.namespaces;
  for (const Namespace& ns : wanted.namespaces) {
    std::erase_if(out.namespaces, [&](const Namespace& old) { return old.name == ns.name; });
    out.namespaces.push_back(ns);
  }
  remember_gateways(wanted, running, out);
  std::vector<Node> all_nodes = running.nodes;
  all_nodes.insert(all_nodes.end(), out.nodes.begin(), out.nodes.end());
  std::map<std::string, unsigned> load;
  for (const Pod& pod : running.pods) ++load[pod.node];

  // Addresses that the manifest names come first, so that no pod is numbered with one of them.
  std::vector<Pod> pods;
  for (const bool named : {true, false})
    std::ranges::copy_if(wanted.pods, std::back_inserter(pods),
                         [&](const Pod& pod) { return pod.ips.empty() != named; });
  for (Pod& pod : pods) {
    if (pod.uid.empty()) pod.uid = new_uid();
    if (auto placed = place_pod(pod, all_nodes, load, pool); !placed)
      return std::unexpected(placed.error());
    pod.membership = membership_of(pod, out.namespaces, mesh);
    out.pods.push_back(std::move(pod));
  }
  out.services = wanted.services;
  for (Service& service : out.services) {
    for (const IpAddress& ip : service.cluster_ips)
      if (!pool.take(ip))
        return problem(fmt::format("{}:{}: service {}: clusterIP {} is in use already",
                                   service.file, service.line, service.key(), ip.to_string()),
                       "give each service an address of its own, or none");
  }
  for (Service& service : out.services)
    if (auto numbered = pool.number_service(service); !numbered)
      return std::unexpected(numbered.error());
  std::vector<Pod> all_pods = running.pods;
  all_pods.insert(all_pods.end(), out.pods.begin(), out.pods.end());
  if (auto distinct = check_netns_names(all_pods); !distinct)
    return std::unexpected(distinct.error());
  return out;
}

}  // namespace culvert::lab
