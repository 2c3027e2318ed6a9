// A captured outbound connection, from accept to close: where did it want to go, who answers there,
// how is it reached, join the two. Runs on the worker that accepted it.
#pragma once

#include "culvert/base/ip.hpp"
#include "culvert/io/task.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

/// `fd` stays open until it returns; `peer` is the application's own address. Never fails: how it
/// ended is in the access log, and the application sees FIN or RST.
io::Task<> serve_outbound(Worker* worker, LocalPod* pod, int fd, SocketAddress peer);

}  // namespace culvert::ztunnel
