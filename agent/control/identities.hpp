// Who may be certified where: a node's ztunnel and waypoints get certificates for the identities of
// the meshed pods, waypoints and edges that run on that node, and for no others. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "culvert/config/object.hpp"

namespace culvert::control {

using IdentitiesByNode = std::map<std::string, std::set<std::string>, std::less<>>;

/// "spiffe://TRUST_DOMAIN/ns/NS/sa/SA" of the pods with spec.nodeName, by node; every Node object
/// has an entry. Counted are pods with the annotation ambient.istio.io/redirection: enabled, pods
/// of waypoints, and edges (pods with a container of the image culvert-waypoint, or that a Gateway
/// of their namespace selects), that share not the node's network and have not ended. An absent
/// service account is "default", as in Kubernetes.
IdentitiesByNode identities_by_node(const config::ObjectMap& objects,
                                    std::string_view trust_domain);

}  // namespace culvert::control
