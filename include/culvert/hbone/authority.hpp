// The target of a CONNECT: an address and port, or a host name and port. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "culvert/base/error.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::hbone {

inline constexpr std::size_t kMaxHostBytes = 253;      // RFC 1035 section 2.3.4, as text
inline constexpr std::size_t kMaxHostLabelBytes = 63;  // the same
inline constexpr std::size_t kMaxAuthorityBytes = kMaxHostBytes + 6;

struct HostPort {
  std::string host;  // lower case, without a final dot
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

struct Authority {
  std::variant<SocketAddress, HostPort> target;

  /// "10.0.0.1:80", "[fd00::1]:80", "web.shop.svc.cluster.local:80" (RFC 3986 section 3.2, without
  /// user information; the port is required and not 0). A last label of digits only is refused: it
  /// would be a malformed IPv4 address. kInvalid otherwise.
  static Result<Authority> parse(std::string_view text);
  std::string to_string() const;
  const SocketAddress* address() const { return std::get_if<SocketAddress>(&target); }
  const HostPort* host() const { return std::get_if<HostPort>(&target); }
  bool operator==(const Authority&) const = default;
};

/// Labels of letters, digits, '-' and '_' (Kubernetes and others have underscores), none empty or
/// longer than 63, none starting or ending with '-'; 253 bytes in all.
bool is_host_name(std::string_view text);

}  // namespace culvert::hbone
