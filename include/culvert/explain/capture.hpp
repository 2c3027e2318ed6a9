// What the hooks would decide: the verdicts of bpf/verdict.h, compiled in user space, on what
// somebody knows of a pod. Filled once from the agent's wishes and once from the kernel's maps, it
// tells prediction from observation. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "culvert/abi/maps.h"
#include "culvert/base/ip.hpp"

namespace culvert::explain {

/// A pod's entry of cv_pod, and what goes for all pods of its node.
struct Capture {
  bool enrolled = false;  // without it no hook touches the pod, and nothing below counts
  bool ready = false;     // outbound connections are redirected; refused otherwise
  std::optional<IpAddress> ip4, ip6;
  bool listeners = true;  // ztunnel has offered some, so that what is steered arrives somewhere
  std::uint16_t block_first = CV_BLOCK_DEFAULT_FIRST;
  std::vector<IpPrefix> excluded_ranges;
  std::vector<std::uint16_t> excluded_ports;

  bool operator==(const Capture&) const = default;
};

/// What the connect hook says to an application's connect() with an unbound socket; only for an
/// enrolled pod.
cv_counter_id connect_verdict(const Capture& pod, const SocketAddress& destination);
/// The errno of a verdict that refuses (positive), else 0.
int connect_errno(cv_counter_id verdict);
/// What sk_lookup in the pod says to a new connection, and CV_DROPPED_NO_LISTENER where it is to be
/// steered and there is no listener.
cv_counter_id arrival_verdict(const Capture& pod, const IpAddress& from, const SocketAddress& to);

/// "CONNECT_REDIRECTED", and "connect: redirected to ztunnel".
const char* verdict_name(cv_counter_id verdict);
std::string verdict_text(cv_counter_id verdict);

}  // namespace culvert::explain
