// Versions and differences of resources.
#include "control/compile/resource_set.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace culvert::control {
namespace {

__extension__ using Uint128 = unsigned __int128;

/// FNV-1a with 128 bits (Fowler, Noll, Vo; offset basis and prime of their page).
std::string fingerprint(std::string_view bytes) {
  constexpr Uint128 kPrime = (Uint128{1} << 88) + 0x13b;
  Uint128 hash = (Uint128{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
  for (const char c : bytes) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= kPrime;
  }
  return fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(hash >> 64),
                     static_cast<std::uint64_t>(hash));
}

const Resources& of_type(const ResourceSet& set, std::string_view type) {
  static const Resources kNone;
  auto it = set.find(type);
  return it == set.end() ? kNone : it->second;
}

}  // namespace

Resource make_resource(std::string bytes) {
  auto version = fingerprint(bytes);
  return {std::move(version), std::move(bytes)};
}

ResourceDelta diff(const ResourceSet& before, const ResourceSet& after) {
  ResourceDelta out;
  for (const auto& [type, resources] : after) {
    const auto& old = of_type(before, type);
    for (const auto& [name, resource] : resources) {
      auto it = old.find(name);
      if (it == old.end() || it->second.version != resource.version) {
        out[type].updated.push_back(name);
      }
    }
  }
  for (const auto& [type, resources] : before) {
    const auto& now = of_type(after, type);
    for (const auto& [name, resource] : resources) {
      if (!now.contains(name)) out[type].removed.push_back(name);
    }
  }
  return out;
}

}  // namespace culvert::control
