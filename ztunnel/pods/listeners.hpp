// The listeners that ztunnel holds inside a pod's network namespace. They are bound to loopback on
// any free port and never dialed by that address: sk_lookup hands them the pod's connections.
#pragma once

#include <memory>
#include <vector>

#include "culvert/bpf/socket_maps.hpp"
#include "ztunnel/pods/pod.hpp"

namespace culvert::ztunnel {

struct Listener {
  UniqueFd fd;
  bpf::ListenerKind kind{};
  int family = 0;
  unsigned slot = 0;
};
/// Those of one pod; they close when the last holder (the registry, each worker) lets go.
using ListenersPtr = std::shared_ptr<const std::vector<Listener>>;

/// Opens `count` listeners (1..kListenerSlots) of every kind and family in the pod's namespace; a
/// family that the pod does not have is left out. They are not offered yet. Enters the namespace on
/// a thread of its own: not for data threads.
Result<std::vector<Listener>> open_listeners(const Pod& pod, unsigned count);

/// Offers them: fills every slot of (kind, family), round robin. From here on the pod's connections
/// are accepted. All or nothing: on failure what was offered is withdrawn.
Result<void> offer_listeners(bpf::SocketMaps& maps, const Pod& pod,
                             const std::vector<Listener>& listeners);

}  // namespace culvert::ztunnel
