#include "culvert/base/ip.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace culvert {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kMaxAddressText = 45;  // INET6_ADDRSTRLEN without the NUL

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || ec != std::errc{} || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxAddressText) return std::nullopt;
  std::array<char, kMaxAddressText + 1> copy{};
  std::ranges::copy(text, copy.begin());
  in_addr four{};
  if (inet_pton(AF_INET, copy.data(), &four) == 1) {
    std::array<std::uint8_t, 4> raw{};
    std::memcpy(raw.data(), &four, raw.size());
    return v4(raw[0], raw[1], raw[2], raw[3]);
  }
  IpAddress out;
  if (inet_pton(AF_INET6, copy.data(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> raw) {
  if (raw.size() == 4) return v4(raw[0], raw[1], raw[2], raw[3]);
  if (raw.size() != 16) return std::nullopt;
  IpAddress out;
  std::ranges::copy(raw, out.bytes.begin());
  return out;
}

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  IpAddress out;
  std::ranges::copy(kMappedPrefix, out.bytes.begin());
  out.bytes[12] = a;
  out.bytes[13] = b;
  out.bytes[14] = c;
  out.bytes[15] = d;
  return out;
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes[12] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](auto b) { return b == 0; }) &&
         bytes[15] == 1;
}

bool IpAddress::is_unspecified() const {
  const auto from = is_v4() ? bytes.begin() + 12 : bytes.begin();
  return std::all_of(from, bytes.end(), [](auto b) { return b == 0; });
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes[12] == 169 && bytes[13] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::string IpAddress::to_string() const {
  if (is_v4()) return fmt::format("{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
  std::array<char, kMaxAddressText + 1> text{};
  inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

std::string IpAddress::to_wire_bytes() const {
  const auto* raw = reinterpret_cast<const char*>(bytes.data());
  return is_v4() ? std::string(raw + 12, 4) : std::string(raw, 16);
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip) return std::nullopt;
  const unsigned full = ip->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return IpPrefix{*ip, static_cast<std::uint8_t>(full)};
  const auto length = parse_number(text.substr(slash + 1), full);
  if (!length) return std::nullopt;
  return IpPrefix{*ip, static_cast<std::uint8_t>(*length)};
}

bool IpPrefix::contains(const IpAddress& ip) const {
  if (address.is_v4() != ip.is_v4()) return false;
  const unsigned bits = length + (address.is_v4() ? 96U : 0U);
  const unsigned whole = bits / 8;
  if (!std::equal(ip.bytes.begin(), ip.bytes.begin() + whole, address.bytes.begin())) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  return ((ip.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

std::string IpPrefix::to_string() const {
  return fmt::format("{}/{}", address.to_string(), length);
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // a bare IPv6 address: where the port begins cannot be told
  }
  const auto ip = IpAddress::parse(host);
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!ip || !port) return std::nullopt;
  return SocketAddress{*ip, static_cast<std::uint16_t>(*port)};
}

std::optional<SocketAddress> SocketAddress::from_sockaddr(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 4> raw{};
    std::memcpy(raw.data(), &in.sin_addr, raw.size());
    return SocketAddress{IpAddress::v4(raw[0], raw[1], raw[2], raw[3]), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    SocketAddress out;
    std::memcpy(out.ip.bytes.data(), &in.sin6_addr, 16);
    out.port = ntohs(in.sin6_port);
    return out;
  }
  return std::nullopt;
}

socklen_t SocketAddress::to_sockaddr(sockaddr_storage& out) const {
  out = {};
  if (ip.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.bytes.data() + 12, 4);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, ip.bytes.data(), 16);
  std::memcpy(&out, &in, sizeof in);
  return sizeof in;
}

std::string SocketAddress::to_string() const {
  const auto& b = ip.bytes;
  return ip.is_v4() ? fmt::format("{}.{}.{}.{}:{}", b[12], b[13], b[14], b[15], port)
                    : fmt::format("[{}]:{}", ip.to_string(), port);
}

}  // namespace culvert
