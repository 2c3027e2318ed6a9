// A pod as the agent knows it: what the orchestrator said, and where it stands. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "culvert/base/ip.hpp"
#include "guard.hpp"

namespace culvert::agent {

/// What POST /pods names. Everything in it was checked by parse_pod().
struct PodSpec {
  std::string uid;
  std::string pod_namespace;
  std::string name;
  std::string service_account;
  std::string netns;  // path of its network namespace
  std::vector<IpAddress> ips;
  std::optional<GuardMode> guard;  // the pod's own wish; else the agent's setting
  bool operator==(const PodSpec&) const = default;
};

/// A pod of the mesh. Identified by uid towards people and ztunnel, by netns cookie in the kernel.
struct Pod {
  PodSpec spec;
  std::uint64_t netns_cookie = 0;
  bool operator==(const Pod&) const = default;
};

enum class CaptureState {
  kCaptured,  // its connections are redirected
  kFailed,    // asked for, not reached: it refuses; tried again
  kEnding,    // its namespace has lost its name; captured until the kernel frees it
};

/// How far ztunnel is with a pod.
enum class ZtunnelState { kPending, kAcked, kFailed };

}  // namespace culvert::agent
