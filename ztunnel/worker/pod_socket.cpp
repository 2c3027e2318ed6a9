#include "ztunnel/worker/pod_socket.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "culvert/base/log.hpp"

namespace culvert::ztunnel {
namespace {

// The namespace that this thread began in, opened once a thread.
int home_netns() {
  thread_local UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  return home.get();
}

// The cookie of the namespace that this thread is in; nullopt at home. Cookies are not used again.
thread_local std::optional<std::uint64_t> t_inside;

}  // namespace

Result<UniqueFd> open_socket_in(const Pod& pod, int family) {
  if (home_netns() < 0) return fail(ErrorCode::kSystem, "open the node's netns");
  if (t_inside != pod.netns_cookie) {
    if (::setns(pod.netns.get(), CLONE_NEWNET) != 0) {
      return fail_errno(errno, "enter the pod's netns");
    }
    t_inside = pod.netns_cookie;
  }
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "open a socket in the pod's netns");
  return fd;
}

void leave_netns(const Pod& pod) {
  if (t_inside != pod.netns_cookie) return;
  t_inside.reset();
  if (::setns(home_netns(), CLONE_NEWNET) == 0) return;
  log::error("cannot return to the node's network namespace (errno {}): stopping", errno);
  std::abort();  // the pod's would stay
}

}  // namespace culvert::ztunnel
