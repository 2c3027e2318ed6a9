// Who may be certified where: a node's ztunnel gets certificates for the identities of the meshed
// pods that run on that node, a waypoint's or edge's pod for its own, and nobody for others. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "culvert/config/object.hpp"

namespace culvert::control {

using IdentitiesByPeer = std::map<std::string, std::set<std::string>, std::less<>>;

/// "spiffe://TRUST_DOMAIN/ns/NS/sa/SA" of the pods with spec.nodeName, by peer (peers.hpp); every
/// Node object has an entry. A node has those of pods with the annotation
/// ambient.istio.io/redirection: enabled; a pod of a waypoint, and an edge (a container of the
/// image culvert-waypoint, or a Gateway of its namespace that selects it), has its own. Not counted
/// are pods that share the node's network or have ended. An absent service account is "default", as
/// in Kubernetes.
IdentitiesByPeer identities_by_peer(const config::ObjectMap& objects,
                                    std::string_view trust_domain);

}  // namespace culvert::control
