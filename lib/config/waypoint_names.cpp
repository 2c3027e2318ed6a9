#include "culvert/config/waypoint_names.hpp"

#include <fmt/format.h>

namespace culvert::config {
namespace {

constexpr std::size_t kMaxNameBytes = 24;
constexpr std::size_t kHashBytes = 17;  // a dash and 16 digits

// FNV-1a, 64 bits: stable across processes and runs.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace

std::string proxy_folder(std::string_view ns, std::string_view pod) {
  const std::string name = fmt::format("{}_{}", ns, pod);  // neither has an underscore
  if (name.size() <= kMaxNameBytes) return "pods/" + name;
  return fmt::format("pods/{}-{:016x}", name.substr(0, kMaxNameBytes - kHashBytes), hash_of(name));
}

}  // namespace culvert::config
