// The `baggage` header (W3C Baggage) with the keys that Istio's ztunnels tell each other. Pure.
#pragma once

#include <string>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert::hbone {

inline constexpr std::size_t kMaxBaggageBytes = 8192;      // W3C Baggage section 3.3.2
inline constexpr std::size_t kMaxBaggageMembers = 64;      // the same section
inline constexpr std::size_t kMaxBaggageValueBytes = 256;  // ours: Kubernetes names are shorter

/// What a ztunnel says about a workload. Not authenticated: for telemetry only.
struct Baggage {
  std::string cluster;         // k8s.cluster.name
  std::string namespace_name;  // k8s.namespace.name
  std::string workload_type;   // "deployment", "cronjob", "pod" or "job": the key's middle part
  std::string workload;        // k8s.TYPE.name
  std::string service;         // service.name
  std::string revision;        // service.version
  std::string region;          // cloud.region
  std::string zone;            // cloud.availability_zone

  bool empty() const { return *this == Baggage{}; }
  bool operator==(const Baggage&) const = default;
};

/// "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,..."; empty members
/// are left out, values percent-encoded; what is over kMaxBaggageValueBytes is left out.
std::string encode_baggage(const Baggage& baggage);
/// Unknown keys and properties (";...") are ignored; the first of a repeated key counts. kInvalid:
/// a member without '=', a key that is no token, a bad percent code, a control byte after decoding.
/// kLimit: too many bytes or members, or a value that is too long.
Result<Baggage> parse_baggage(std::string_view text);

}  // namespace culvert::hbone
