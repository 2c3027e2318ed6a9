// A captured outbound connection, from accept to close: where did it want to go, who answers there,
// how is it reached, join the two. Runs on the worker that accepted it.
#pragma once

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

/// `peer` is the application's own address. Never fails: how it ended is in the access log, and the
/// application sees FIN or RST.
io::Scope::Child serve_outbound(Worker* worker, LocalPod* pod, UniqueFd fd, SocketAddress peer);

}  // namespace culvert::ztunnel
