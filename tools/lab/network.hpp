// A lab's network: a bridge in a namespace of its own joins the nodes; each pod hangs on its node
// by a veth with host routes, and forwards through it. Nothing is made in the machine's namespace.
#pragma once

#include <vector>

#include "lab/addresses.hpp"
#include "lab/model.hpp"
#include "lab/names.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

/// The bridge, and the control plane's namespace on it.
Outcome<void> create_fabric(const LabNames& names, const AddressPlan& plan);
/// Makes a node's namespace with eth0 on the bridge.
Outcome<void> create_node_network(const LabNames& names, const AddressPlan& plan, const Node& node);
/// Routes between the nodes' pod ranges; repeat it after nodes were added.
Outcome<void> route_nodes(const LabNames& names, const std::vector<Node>& nodes);
/// Makes a pod's namespace with eth0, its addresses and default routes, and the routes to it: on
/// its node, and on every other node when its address lies outside its node's ranges.
Outcome<void> create_pod_network(const LabNames& names, const Pod& pod,
                                 const std::vector<Node>& nodes);
Outcome<void> delete_pod_network(const LabNames& names, const Pod& pod,
                                 const std::vector<Node>& nodes);

/// The namespace that the pod's processes run in: its own, or its node's with hostNetwork.
std::string netns_of(const LabNames& names, const Pod& pod);

}  // namespace culvert::lab
