#include "lab/addresses.hpp"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

namespace culvert::lab {
namespace {

unsigned base_bits(const IpPrefix& prefix) {
  return prefix.address.is_v4() ? 96 : 0;
}

// The first `length` bits kept, the rest zero; `length` counts bits of the family.
IpAddress network_of(const IpPrefix& prefix, std::uint8_t length) {
  IpAddress out = prefix.address;
  const unsigned keep = base_bits(prefix) + length;
  for (unsigned bit = keep; bit < 128; ++bit)
    out.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  return out;
}

std::optional<std::uint32_t> hex32(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void parse_route_v4(std::string_view text, std::vector<IpPrefix>& out) {
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);  // the header
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string device, destination, skip, mask;
    fields >> device >> destination;
    for (int i = 0; i < 5; ++i) fields >> skip;
    fields >> mask;
    const auto address = hex32(destination), bits = hex32(mask);
    if (!address || !bits || *bits == 0) continue;
    // The file prints the network-order word as the host reads it (proc(5)): little endian.
    const auto byte = [&](int i) { return static_cast<std::uint8_t>(*address >> (8 * i)); };
    out.push_back({IpAddress::v4(byte(0), byte(1), byte(2), byte(3)),
                   static_cast<std::uint8_t>(__builtin_popcount(*bits))});
  }
}

void parse_route_v6(std::string_view text, std::vector<IpPrefix>& out) {
  std::istringstream lines{std::string(text)};
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string destination, length;
    fields >> destination >> length;
    const auto bits = hex32(length);
    if (destination.size() != 32 || !bits || *bits == 0 || *bits > 128) continue;
    IpPrefix prefix;
    prefix.length = static_cast<std::uint8_t>(*bits);
    bool good = true;
    for (std::size_t i = 0; i < 16; ++i) {
      const auto value = hex32(std::string_view(destination).substr(2 * i, 2));
      good = good && value.has_value();
      prefix.address.bytes[i] = static_cast<std::uint8_t>(value.value_or(0));
    }
    if (good && !prefix.address.is_v4()) out.push_back(prefix);
  }
}

// "10.{}.0.0/16" with each number from `first` down to `last` until one is free.
std::optional<IpPrefix> first_free(const char* pattern, int first, int last,
                                   std::vector<IpPrefix>& used) {
  for (int n = first; n >= last; --n) {
    const auto range = IpPrefix::parse(fmt::format(fmt::runtime(pattern), n));
    bool free = range.has_value();
    for (const IpPrefix& u : used) free = free && !overlaps(*range, u);
    if (!free) continue;
    used.push_back(*range);
    return range;
  }
  return std::nullopt;
}

}  // namespace

bool overlaps(const IpPrefix& a, const IpPrefix& b) {
  if (a.address.is_v4() != b.address.is_v4()) return false;
  const std::uint8_t shorter = std::min(a.length, b.length);
  return network_of(a, shorter) == network_of(b, shorter);
}

IpAddress address_at(const IpPrefix& range, std::uint32_t offset) {
  IpAddress out = network_of(range, range.length);
  std::uint64_t carry = offset;
  for (int i = 15; i >= 0 && carry != 0; --i) {
    carry += out.bytes[static_cast<std::size_t>(i)];
    out.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  return out;
}

IpPrefix subrange(const IpPrefix& range, std::uint8_t length, std::uint32_t n) {
  IpAddress address = network_of(range, range.length);
  const unsigned end = base_bits(range) + length;  // n is written in the bits before this one
  for (unsigned i = 0; i < 32 && end > i; ++i) {
    const unsigned bit = end - 1 - i;
    if ((n >> i & 1U) != 0) address.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
  }
  return {address, length};
}

std::vector<IpPrefix> parse_proc_routes(std::string_view route, std::string_view ipv6_route) {
  std::vector<IpPrefix> out;
  parse_route_v4(route, out);
  parse_route_v6(ipv6_route, out);
  return out;
}

Outcome<AddressPlan> choose_ranges(const std::vector<IpPrefix>& used) {
  std::vector<IpPrefix> taken = used;
  const auto fabric_v4 = first_free("172.{}.0.0/16", 31, 16, taken);
  const auto pods_v4 = first_free("10.{}.0.0/16", 244, 128, taken);
  const auto services_v4 = first_free("10.{}.0.0/16", 96, 1, taken);
  const auto fabric_v6 = first_free("fdc0:{}:ffff::/48", 99, 10, taken);
  const auto pods_v6 = first_free("fdc0:{}:1::/48", 99, 10, taken);
  const auto services_v6 = first_free("fdc0:{}:2::/112", 99, 10, taken);
  if (!fabric_v4 || !pods_v4 || !services_v4 || !fabric_v6 || !pods_v6 || !services_v6)
    return problem("the machine's routes leave no private range for a lab",
                   "see ip route; a lab needs one /16 of 172.16.0.0/12 and two of 10.0.0.0/8");
  return AddressPlan{*fabric_v4, *fabric_v6, *pods_v4, *pods_v6, *services_v4, *services_v6};
}

Outcome<IpAddress> AddressPool::next(const IpPrefix& range, unsigned first, unsigned count,
                                     const char* what) {
  for (unsigned i = 0; i < count; ++i) {
    const IpAddress ip = address_at(range, first + i);
    if (take(ip)) return ip;
  }
  return problem(fmt::format("no address left for {} in {}", what, range.to_string()),
                 fmt::format("a lab has {} nodes of {} pods at most", kNodesMax, kPodsPerNodeMax));
}

Outcome<void> AddressPool::number_node(Node& node, unsigned index) {
  if (index >= kNodesMax) return problem(fmt::format("a lab has at most {} nodes", kNodesMax));
  node.ips = {address_at(plan_.fabric_v4, 10 + index), address_at(plan_.fabric_v6, 0x10 + index)};
  node.pod_ranges = {subrange(plan_.pods_v4, 24, index), subrange(plan_.pods_v6, 64, index)};
  for (const IpAddress& ip : node.ips)
    if (!take(ip)) return problem(fmt::format("address {} is used twice", ip.to_string()));
  return {};
}

Outcome<void> AddressPool::number_pod(Pod& pod, const Node& node) {
  if (!pod.ips.empty()) return {};
  for (const IpPrefix& range : node.pod_ranges) {
    auto ip = next(range, 2, kPodsPerNodeMax, "a pod");
    if (!ip) return std::unexpected(ip.error());
    pod.ips.push_back(*ip);
  }
  return {};
}

Outcome<void> AddressPool::number_service(Service& service) {
  if (service.headless || service.external_name) return {};
  if (!service.cluster_ips.empty()) return {};  // the manifest says which
  if (service.wants_v4) {
    auto ip = next(plan_.services_v4, 10, kServicesMax, "a service");
    if (!ip) return std::unexpected(ip.error());
    service.cluster_ips.push_back(*ip);
  }
  if (service.wants_v6) {
    auto ip = next(plan_.services_v6, 10, kServicesMax, "a service");
    if (!ip) return std::unexpected(ip.error());
    service.cluster_ips.push_back(*ip);
  }
  return {};
}

}  // namespace culvert::lab
