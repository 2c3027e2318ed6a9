// Connections that arrive at a waypoint: tunnels of ztunnels, or at an edge plain TCP. They run on
// the worker that accepted them. Never fail: how each ended is in the log.
#pragma once

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::waypoint {

class Worker;

/// A tunnel: TLS, HTTP/2, and a fiber for each CONNECT in it.
io::Scope::Child serve_hbone(Worker* worker, UniqueFd fd, SocketAddress peer);

/// A connection to a port of a Gateway that selects this edge.
io::Scope::Child serve_edge(Worker* worker, UniqueFd fd, SocketAddress peer);

}  // namespace culvert::waypoint
