// The `forwarded` header (RFC 7239) as far as HBONE uses it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::hbone {

inline constexpr std::size_t kMaxForwardedBytes = 1024;

/// Who is behind the tunnel, in the words of the one who opened it.
struct Forwarded {
  /// for="10.0.0.5:41000"; port 0 where none was given; absent for names and "unknown".
  std::optional<SocketAddress> source;
  std::string host;  // host=web.shop.svc.cluster.local; empty when not by service
  bool operator==(const Forwarded&) const = default;
};

/// for="10.0.0.5:41000";host=web.shop.svc.cluster.local — always quoted because of the colon (RFC
/// 7239 section 4), IPv6 in brackets. Host names that are none are left out.
std::string encode_forwarded(const Forwarded& forwarded);
/// The first element of the list (the nearest to the client). Other parameters are ignored, names
/// are case-insensitive. kInvalid: not the grammar of RFC 7239 section 4, a parameter twice, a port
/// without an address, a host that is none. kLimit: over kMaxForwardedBytes.
Result<Forwarded> parse_forwarded(std::string_view text);

}  // namespace culvert::hbone
