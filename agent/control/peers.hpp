// Peers: who asks control, known by the socket it came in on. A node's ztunnel, by the node's name,
// or a proxy (a pod of a waypoint or an edge), by "pod/NAMESPACE/NAME", which no node can be
// called. Pure.
#pragma once

#include <string>
#include <string_view>

namespace culvert::control {

std::string proxy_peer(std::string_view ns, std::string_view pod);
bool is_proxy(std::string_view peer);
/// Of a proxy: its pod's namespace; "NAMESPACE/NAME".
std::string_view namespace_of(std::string_view peer);
std::string_view pod_of(std::string_view peer);
/// "node n1", "pod shop/waypoint-1": for logs and answers.
std::string in_words(std::string_view peer);
/// Its socket below `folder`: "n1.sock", or "pods/shop_waypoint-1/control.sock": a folder for each
/// pod, which is what the pod is shown of them (config::proxy_folder).
std::string socket_path(std::string_view folder, std::string_view peer);

}  // namespace culvert::control
