// A node's capture maps in terms that can be compared: as its agent wants them, and as the kernel
// has them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "culvert/explain/capture.hpp"
#include "culvert/maps_read.hpp"
#include "culvert/mesh_source.hpp"

namespace culvert::cli {

struct PodEntry {
  std::string ip4 = "-", ip6 = "-";  // as text, "-" for none
  bool ready = false;
  bool operator==(const PodEntry&) const = default;
};

struct CaptureMaps {
  std::uint16_t block_first = 0;
  std::set<std::string> excludes;                            // "10.0.0.0/8", "port 25"
  std::map<std::uint64_t, PodEntry> pods;                    // by netns cookie
  std::map<std::uint64_t, std::set<std::string>> listeners;  // "hbone ipv4 slot 0"
  std::set<std::uint64_t> counters;                          // netns cookies
};

/// What an agent says of the maps that it keeps.
struct Wishes {
  CaptureMaps maps;
  std::map<std::uint64_t, std::string> names;  // "shop/web" by netns cookie
  std::set<std::uint64_t> ending;              // captured until the kernel frees their namespaces

  std::optional<std::uint64_t> cookie(const std::string& pod) const;
};

/// From an agent's answer to GET /desired. Pure; nullopt when it is no such answer.
std::optional<Wishes> parse_wishes(const Json& desired);
lab::Outcome<Wishes> read_wishes(const MeshSource& source, const std::string& node);
/// Reads the pinned maps; the agent is not asked.
Result<CaptureMaps> read_kernel(const NodePins& pins);

/// One pod's part of the maps, for predictions; not enrolled without an entry of cv_pod.
explain::Capture capture_of(const CaptureMaps& maps, std::optional<std::uint64_t> cookie);

}  // namespace culvert::cli
