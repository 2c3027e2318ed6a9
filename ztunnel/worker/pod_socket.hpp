// Sockets inside pods' network namespaces. A socket belongs to the namespace that its thread is in
// when it is made, so a data thread goes in, and stays until it is wanted elsewhere: the next
// socket is mostly for the same pod. Data threads make sockets here alone. Any thread, each for
// itself.
#pragma once

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "ztunnel/pods/pod.hpp"

namespace culvert::ztunnel {

/// A TCP socket of `family` in the pod's namespace; the thread is in there afterwards. Errors: the
/// kernel's.
Result<UniqueFd> open_socket_in(const Pod& pod, int family);

/// Takes this thread home if it is in that pod's namespace: for who ends a pod, as a namespace
/// lives as long as a thread is inside. No effect otherwise. Ends the process if it cannot.
void leave_netns(const Pod& pod);

}  // namespace culvert::ztunnel
