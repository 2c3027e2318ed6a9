// The part of Datapath that is about guards and the connections that they would stop.
#include <fmt/format.h>

#include "culvert/abi/maps.h"
#include "culvert/base/log.hpp"
#include "culvert/bpf/syscall.hpp"
#include "datapath.hpp"

namespace culvert::agent {

GuardPlace Datapath::guard_place(std::uint64_t cookie, int netns_fd) const {
  return {.pins = settings_.pin_dir + "/guards", .netns_cookie = cookie, .netns_fd = netns_fd};
}

ExemptMaps Datapath::exempt_maps() const {
  return {.mark = programs_.map_fd("cv_mark"),
          .listens = programs_.map_fd("cv_listens"),
          .exclude = programs_.map_fd("cv_exclude"),
          .kubelet = programs_.map_fd("cv_kubelet")};
}

// Attaches, or takes away what a former mode attached. The mode itself is in the pod's entry.
Outcome<void> Datapath::guard_pod(const GuardPlace& place, const PodAddresses& addresses,
                                  GuardMode guard, cv_pod_value& value) {
  if (guard == GuardMode::kOff) {
    const bool made_qdisc = (value.flags & CV_POD_CLSACT_ADDED) != 0;
    value.flags &= ~CV_POD_CLSACT_ADDED;
    return remove_guard(place, made_qdisc);
  }
  auto program = programs_.load_guard(place.netns_cookie);
  if (!program) return std::unexpected(program.error());
  ClsactChange change;
  auto attached = attach_guard(place, program->get(), addresses, settings_.guard_hook, change);
  if (change.made_qdisc) value.flags |= CV_POD_CLSACT_ADDED;
  if (change.put_on && (value.flags & CV_POD_READY) != 0)
    log::warn("netns cookie {}: its interface had no guard while it was captured; it has one now",
              place.netns_cookie);
  return attached;
}

// A new agent's program in the links of the former one.
Outcome<void> Datapath::adopt_guards(std::uint64_t cookie) {
  for (const std::string& path : guard_pins(guard_place(cookie, -1))) {
    auto link = bpf::open_pinned(path);
    if (!link) return problem("open " + path, link.error());
    auto program = programs_.load_guard(cookie);
    if (!program) return std::unexpected(program.error());
    // Its interface may be gone: enrolling again finds the new one.
    if (auto ok = replace_program(link->get(), program->get()); !ok)
      log::warn("{}: {}", path, ok.error().what);
  }
  return {};
}

Outcome<std::vector<OlderSocket>> Datapath::past_ztunnel(int netns_fd) const {
  return older_sockets(netns_fd, exempt_maps());
}

// Not reaching it is no reason to refuse the pod: the guard stands and drops what they send.
void Datapath::end_older(int netns_fd, std::uint64_t cookie) const {
  const auto done = end_older_sockets(netns_fd, exempt_maps());
  if (!done) {
    log::warn(
        "netns cookie {}: older connections are not ended, the guard drops what they send: {}",
        cookie, done.error().what);
    return;
  }
  if (done->ended > 0)
    log::info("netns cookie {}: {} connections older than enrollment are ended", cookie,
              done->ended);
  if (done->left > 0)
    log::warn(
        "netns cookie {}: {} connections older than enrollment could not be ended{}; the "
        "guard drops what they send",
        cookie, done->left,
        done->unsupported ? " (the kernel has no CONFIG_INET_DIAG_DESTROY)" : "");
}

}  // namespace culvert::agent
