// A pod's hosts file: its own name and every Service in its four forms. Pure.
#pragma once

#include <string>
#include <vector>

#include "lab/model.hpp"

namespace culvert::lab {

/// The text of `pod`'s /etc/hosts. A meshed pod sees a Service at its ClusterIPs, which its node's
/// ztunnel serves; any other pod sees a ready pod of the Service, since nobody serves the ClusterIP
/// there. A headless Service is always its ready pods. Names resolve as Kubernetes DNS would from
/// the pod's own namespace: the bare form `web` only there, `web.ns` and longer everywhere.
std::string hosts_file(const Pod& pod, const std::vector<Service>& services,
                       const std::vector<Pod>& pods);

/// A Service selects a pod of its namespace that has all its labels; an empty selector selects
/// none.
bool selects(const Service& service, const Pod& pod);

}  // namespace culvert::lab
