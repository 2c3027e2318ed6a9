// Connections that arrive for a pod: over HBONE (15008) or in plaintext (any other port). Each is
// authorized before the application hears of it. They run on the worker that accepted them.
#pragma once

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

/// A tunnel from another ztunnel or a waypoint: TLS, HTTP/2, and a fiber for each CONNECT in it.
/// Never fails: how it ended is in the log.
io::Scope::Child serve_hbone(Worker* worker, LocalPod* pod, UniqueFd fd, SocketAddress peer);

/// A plain TCP connection to any other port of the pod.
io::Scope::Child serve_plaintext(Worker* worker, LocalPod* pod, UniqueFd fd, SocketAddress peer);

}  // namespace culvert::ztunnel
