// API objects as Istio sends them over xDS: istio.mcp.v1alpha1.Resource around the spec. Pure;
// hostile bytes give an Error.
#pragma once

#include <string>
#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/l7/compiler.hpp"
#include "culvert/l7/edge.hpp"

namespace google::protobuf {
class Message;
}

namespace culvert::l7 {

// Resource types of delta xDS, as istiod names them.
inline constexpr std::string_view kVirtualServiceType = "networking.istio.io/v1/VirtualService";
inline constexpr std::string_view kDestinationRuleType = "networking.istio.io/v1/DestinationRule";
inline constexpr std::string_view kGatewayType = "networking.istio.io/v1/Gateway";
inline constexpr std::string_view kServiceEntryType = "networking.istio.io/v1/ServiceEntry";

/// On a Resource whose object is not valid and never was; it has what could be read of it.
inline constexpr std::string_view kRefusedAnnotation = "culvert.io/refused";

/// Serialized so that equal messages have equal bytes, in this build.
std::string deterministic_bytes(const google::protobuf::Message& message);

/// Serialized, deterministically. `created` in seconds since 1970. Fields whose numbers are our own
/// are left out, so that no one else meets them.
/// `refused`: the object is not valid and never was; told by an annotation of the Resource.
std::string encode_object(std::string_view ns, std::string_view name, std::int64_t created,
                          const google::protobuf::Message& spec, bool refused = false);

/// kProtocol: not a Resource, or not of this kind; kInvalid: no "NAMESPACE/NAME". A spec that uses
/// what is not honoured yet comes as `refused`.
Result<VirtualServiceObject> parse_virtual_service(std::string_view wire);
/// The same.
Result<DestinationRuleObject> parse_destination_rule(std::string_view wire);
/// What a Gateway has of plain HTTP; its other servers are left out.
Result<EdgeObject> parse_edge(std::string_view wire);

}  // namespace culvert::l7
