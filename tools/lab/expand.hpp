// From a manifest to what runs: which node, which addresses, in the mesh or not. Pure but for the
// randomness that the caller hands in.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lab/addresses.hpp"
#include "lab/manifest.hpp"
#include "lab/model.hpp"

namespace culvert::lab {

/// Istio's rules: hostNetwork and waypoints never; the pod's label decides, else its namespace's.
Membership membership_of(const Pod& pod, const std::vector<Namespace>& namespaces, bool mesh);
const char* membership_reason(Membership membership);

struct Placement {
  std::vector<Node> nodes;
  std::vector<Namespace> namespaces;
  std::vector<Pod> pods;
  std::vector<Service> services;
  std::vector<Gateway> gateways;
  std::vector<EdgeGateway> edges;
  std::vector<std::string> waypoint_classes;
};

inline constexpr const char* kOnlyNode = "node-1";  // of a manifest without Node objects

/// Completes `wanted` beside what `running` has already: nodes numbered, pods placed (nodeName, or
/// the node with the fewest pods, the first of equals), uids from `new_uid`, addresses from `pool`,
/// which must hold those of `running`. The answer is the new objects only, except what is never
/// placed: namespaces, gateways, edges, waypoint_classes.
Outcome<Placement> place(const Manifest& wanted, const Placement& running, bool mesh,
                         AddressPool& pool, const std::function<std::string()>& new_uid);

/// The pod as its manifest has it, for a new start: what the lab assigned is taken away but the
/// node.
Pod fresh_pod(const Pod& pod);

/// Two pods whose netns would have the same name ("a-b/c" and "a/b-c"), or the problem's absence.
Outcome<void> check_netns_names(const std::vector<Pod>& pods);

}  // namespace culvert::lab
