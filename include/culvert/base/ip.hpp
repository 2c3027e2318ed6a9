// IP addresses in one 16-byte form, IPv4 as ::ffff:a.b.c.d, the same that BPF maps and keys hold.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace culvert {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 mapped (RFC 4291 section 2.5.5.2)

  /// "10.0.0.1", "fd00::1", "::ffff:10.0.0.1" (read as IPv4). No zone ids. nullopt when malformed.
  static std::optional<IpAddress> parse(std::string_view text);
  /// 4 or 16 bytes in network order, as xDS carries them; nullopt for other sizes.
  static std::optional<IpAddress> from_bytes(std::span<const std::uint8_t> raw);
  static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);

  bool is_v4() const;
  bool is_loopback() const;     // 127/8, ::1
  bool is_unspecified() const;  // 0.0.0.0, ::
  bool is_link_local() const;   // 169.254/16, fe80::/10
  /// "10.0.0.1" for IPv4, RFC 5952 text for IPv6.
  std::string to_string() const;
  /// 4 bytes for IPv4, else 16: the form of istio.workload.Address.
  std::string to_wire_bytes() const;

  auto operator<=>(const IpAddress&) const = default;
};

/// A network, e.g. 10.0.0.0/8. `length` counts bits of the family: 0..32 for IPv4, 0..128 for IPv6.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  /// "10.0.0.0/8", "fd00::/64", or a bare address (full length). Host bits are kept as written.
  static std::optional<IpPrefix> parse(std::string_view text);
  bool contains(const IpAddress& ip) const;  // never across families
  std::string to_string() const;
  auto operator<=>(const IpPrefix&) const = default;
};

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;  // host order

  /// "10.0.0.1:80", "[fd00::1]:80".
  static std::optional<SocketAddress> parse(std::string_view text);
  /// AF_INET and AF_INET6 (mapped forms become IPv4); nullopt for other families.
  static std::optional<SocketAddress> from_sockaddr(const sockaddr* address);
  /// AF_INET for IPv4, else AF_INET6. Returns the length used.
  socklen_t to_sockaddr(sockaddr_storage& out) const;
  int family() const { return ip.is_v4() ? AF_INET : AF_INET6; }
  std::string to_string() const;
  auto operator<=>(const SocketAddress&) const = default;
};

struct IpAddressHash {
  std::size_t operator()(const IpAddress& ip) const {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(ip.bytes.data()), ip.bytes.size()});
  }
};
struct SocketAddressHash {
  std::size_t operator()(const SocketAddress& a) const {
    return IpAddressHash{}(a.ip) * 31 + a.port;
  }
};

}  // namespace culvert
