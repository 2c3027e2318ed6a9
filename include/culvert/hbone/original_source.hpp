// The `x-culvert-source` header of a waypoint's CONNECT: whom it speaks for. Culvert's own, for
// HBONE has nothing that may be believed; who believes it judges the tunnel's certificate first
// (mesh/admission.hpp). Pure.
#pragma once

#include <string>
#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::hbone {

inline constexpr std::string_view kOriginalSourceHeader = "x-culvert-source";
inline constexpr std::size_t kMaxSpiffeIdBytes = 2048;  // SPIFFE-ID, section 2.3
inline constexpr std::size_t kMaxSocketAddressBytes =
    sizeof("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535") - 1;
inline constexpr std::size_t kMaxOriginalSourceBytes =
    kMaxSpiffeIdBytes + 1 + kMaxSocketAddressBytes;

/// The client that the waypoint served: what its certificate proved, and the application's address.
struct OriginalSource {
  std::string identity;   // "spiffe://...": printable ASCII without spaces
  SocketAddress address;  // a port, and an address that can be a peer's: no loopback, not 0.0.0.0
  bool operator==(const OriginalSource&) const = default;
};

/// "spiffe://cluster.local/ns/shop/sa/web;10.0.0.5:41000", IPv6 in brackets. kInvalid for what
/// parse_original_source() would refuse.
Result<std::string> encode_original_source(const OriginalSource& source);
/// Accepts exactly what encode_original_source() writes: one spelling for each value. kLimit: over
/// kMaxOriginalSourceBytes; kInvalid: anything else.
Result<OriginalSource> parse_original_source(std::string_view text);

}  // namespace culvert::hbone
