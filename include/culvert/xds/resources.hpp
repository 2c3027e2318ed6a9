// From the wire to the model: the two resource types that ztunnel subscribes to, and the labels of
// workloads, which a waypoint asks for besides. Pure; hostile bytes give an Error. No protobuf type
// appears here, so that the model's users need none.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "culvert/base/error.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/workload.hpp"

namespace culvert::xds {

inline constexpr std::string_view kAddressType = "type.googleapis.com/istio.workload.Address";
inline constexpr std::string_view kAuthorizationType =
    "type.googleapis.com/istio.security.Authorization";

/// Ours (lib/proto/culvert_labels.proto).
inline constexpr std::string_view kLabelsType = "type.googleapis.com/culvert.workload.v1.Labels";

inline constexpr std::string_view kApiObjectType =
    "type.googleapis.com/istio.mcp.v1alpha1.Resource";
/// The type of the messages that a resource type has: its own, but for Istio's API objects
/// ("networking.istio.io/v1/VirtualService"), which come as kApiObjectType.
constexpr std::string_view body_type(std::string_view resource_type) {
  return resource_type.starts_with("type.googleapis.com/") ? resource_type : kApiObjectType;
}

/// Names of Workload.extensions that are ours (lib/proto/culvert_workload.proto).
inline constexpr std::string_view kPlaintextPortsExtension = "culvert.plaintext-ports";

using Address = std::variant<mesh::Workload, mesh::Service>;

/// Reads a serialized istio.workload.Address. An empty trust domain becomes
/// `default_trust_domain`, an empty service account "default". Unknown extensions are skipped;
/// VIPs that are prefixes and SANs that are no SPIFFE ids are left out. kInvalid or kProtocol
/// (origin kControl): no uid or hostname, an address of neither 4 nor 16 bytes, a port beyond
/// 65535, an enum value that this build does not know.
Result<Address> parse_address(std::string_view wire, std::string_view default_trust_domain);

/// Reads a serialized istio.security.Authorization. A Match with extensions that this build cannot
/// judge never matches in ALLOW, and matches by its other fields in DENY. kInvalid or kProtocol:
/// no name, an unknown enum value, a prefix longer than its address, an empty StringMatch.
Result<mesh::Policy> parse_authorization(std::string_view wire);

struct WorkloadLabels {
  std::string uid;
  std::map<std::string, std::string> labels;
};
/// Reads a serialized culvert.workload.v1.Labels. kProtocol: not that; kInvalid: no uid.
Result<WorkloadLabels> parse_labels(std::string_view wire);

}  // namespace culvert::xds
