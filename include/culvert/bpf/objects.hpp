// What the kernel says of BPF maps, programs and links, and of what hangs on a hook. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"

namespace culvert::bpf {

struct MapInfo {
  std::uint32_t id = 0, type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;
  std::string name;
};
struct ProgramInfo {
  std::uint32_t id = 0, type = 0;
  std::string name;
  std::uint64_t run_ns = 0, run_count = 0;  // grow only while BPF_ENABLE_STATS is held
};
struct LinkInfo {
  std::uint32_t id = 0, type = 0, program_id = 0, attach_type = 0;
  std::uint64_t cgroup_id = 0;    // cgroup links; 0 once the cgroup is gone
  std::uint32_t netns_inode = 0;  // netns links; 0 once the namespace is gone
  std::uint32_t ifindex = 0;      // tcx links; 0 once the interface is gone
};

Result<MapInfo> map_info(int map_fd);
Result<ProgramInfo> program_info(int program_fd);
Result<LinkInfo> link_info(int link_fd);
Result<UniqueFd> program_by_id(std::uint32_t id);

/// The ids of the programs that run at a cgroup's hook, in the order in which they run, those that
/// hang on its ancestors included (BPF_F_QUERY_EFFECTIVE). At most kMaxQueried.
Result<std::vector<std::uint32_t>> effective_programs(int cgroup_fd, std::uint32_t attach_type);
inline constexpr std::size_t kMaxQueried = 64;

/// Kernel memory that a map accounts for, from /proc/self/fdinfo; 0 when it does not say.
std::uint64_t map_memory_bytes(int map_fd);
/// Counts keys by walking them, up to the map's capacity.
Result<std::uint32_t> count_entries(int map_fd, std::uint32_t key_size, std::uint32_t max_entries);
/// CPUs that per-CPU maps have values for (/sys/devices/system/cpu/possible).
unsigned possible_cpus();
/// While the descriptor is open the kernel measures every program's runs (BPF_ENABLE_STATS, 5.8).
Result<UniqueFd> enable_run_statistics();

/// "hash", "sockhash", ... and "connect4", "sk_lookup", ...; a number for what this table lacks.
std::string map_type_name(std::uint32_t type);
std::string attach_type_name(std::uint32_t attach_type);

}  // namespace culvert::bpf
