// Pods as JSON: the body of POST /pods, and the file in which they outlive the agent. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pod.hpp"
#include "problem.hpp"

namespace culvert::agent {

// Together they keep a pod's ZDS message under zds::kMaxPacketBytes.
inline constexpr std::size_t kMaxUidBytes = 128;       // zds::kMaxUidBytes
inline constexpr std::size_t kMaxNamespaceBytes = 63;  // a DNS label, RFC 1123
inline constexpr std::size_t kMaxNameBytes = 253;      // a DNS subdomain, RFC 1123
inline constexpr std::size_t kMaxNetnsPathBytes = 1024;
inline constexpr std::size_t kMaxPodIps = 16;

/// The body of POST /pods. Refuses unknown fields, names that are no DNS names, relative paths, and
/// addresses that no pod can have (loopback, unspecified, link-local, multicast).
Outcome<PodSpec> parse_pod(std::string_view json);

/// pods.json, and back. Netns cookies are unique until the machine boots anew: a file of another
/// boot holds no pods. Parsing refuses a file of another version and any entry that parse_pod
/// would.
std::string format_pods(std::span<const Pod> pods, std::string_view boot_id);
Outcome<std::vector<Pod>> parse_pods(std::string_view json, std::string_view boot_id);

}  // namespace culvert::agent
