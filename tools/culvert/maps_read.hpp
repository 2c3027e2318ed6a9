// Reading pinned maps, links and programs. The kernel alone is asked, so it works when the agent is
// dead.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/maps_decode.hpp"
#include "culvert/maps_names.hpp"

namespace culvert::cli {

/// One node's pins, and its agent's state for names.
struct NodePins {
  std::string node;  // empty: this machine's own
  std::string bpf_dir, state_dir;
};

struct MapRow {
  std::string name, type, pin;
  std::optional<std::uint32_t> entries;  // absent: the kernel cannot walk it (socket storage)
  std::uint32_t capacity = 0;            // 0: as many as there are sockets
  std::uint64_t memory_bytes = 0;
};
struct ProgramRow {
  std::string name, hook, attached, pin;  // attached: a cgroup's folder, or a pod
  std::uint32_t id = 0;
  std::optional<std::uint64_t> netns_cookie;  // of a pod's sk_lookup
  std::uint64_t run_count = 0, run_ns = 0;    // while profiled
};

/// All maps pinned in the node's folder, by name. kNotFound when there is no such folder.
Result<std::vector<MapRow>> list_maps(const NodePins& pins);
/// A map's entries, decoded; kInvalid for socket storage, which cannot be walked.
Result<std::vector<MapLine>> dump_map(const NodePins& pins, const std::string& map);
/// The keys of a map whose keys are netns cookies.
Result<std::set<std::uint64_t>> map_cookies(const NodePins& pins, const std::string& map);
/// All programs behind the pinned links.
Result<std::vector<ProgramRow>> list_programs(const NodePins& pins);
/// Measures the programs' runs for so long, and fills run_count and run_ns.
Result<void> profile_programs(std::vector<ProgramRow>& rows, std::chrono::seconds duration);

}  // namespace culvert::cli
