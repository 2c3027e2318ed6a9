// From the wire to the model: the two resource types that ztunnel subscribes to. Pure; hostile
// bytes give an Error. No protobuf type appears here, so that the model's users need none.
#pragma once

#include <string_view>
#include <variant>

#include "culvert/base/error.hpp"
#include "culvert/mesh/policy.hpp"
#include "culvert/mesh/workload.hpp"

namespace culvert::xds {

inline constexpr std::string_view kAddressType = "type.googleapis.com/istio.workload.Address";
inline constexpr std::string_view kAuthorizationType =
    "type.googleapis.com/istio.security.Authorization";

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

}  // namespace culvert::xds
