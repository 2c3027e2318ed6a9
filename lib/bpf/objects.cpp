// BPF_OBJ_GET_INFO_BY_FD and its neighbors.
#include "culvert/bpf/objects.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <algorithm>
#include <cerrno>
#include <charconv>

#include "culvert/abi/kernel.h"
#include "culvert/bpf/syscall.hpp"

namespace culvert::bpf {
namespace {

template <class Info>
Result<Info> info_of(int fd, const char* text) {
  Info info{};
  bpf_attr attr{};
  attr.info.bpf_fd = static_cast<__u32>(fd);
  attr.info.info_len = sizeof info;
  attr.info.info = reinterpret_cast<std::uintptr_t>(&info);
  const int rc = call(BPF_OBJ_GET_INFO_BY_FD, attr);
  if (rc < 0) return fail_errno(-rc, text);
  return info;
}

// The number that stands after `label` in the text; 0 when it is absent.
std::uint64_t number_after(std::string_view text, std::string_view label) {
  const std::size_t at = text.find(label);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + label.size());
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<MapInfo> map_info(int map_fd) {
  auto raw = info_of<bpf_map_info>(map_fd, "ask about a BPF map");
  if (!raw) return std::unexpected(raw.error());
  return MapInfo{.id = raw->id,
                 .type = raw->type,
                 .key_size = raw->key_size,
                 .value_size = raw->value_size,
                 .max_entries = raw->max_entries,
                 .flags = raw->map_flags,
                 .name = raw->name};
}

Result<ProgramInfo> program_info(int program_fd) {
  auto raw = info_of<bpf_prog_info>(program_fd, "ask about a BPF program");
  if (!raw) return std::unexpected(raw.error());
  return ProgramInfo{.id = raw->id,
                     .type = raw->type,
                     .name = raw->name,
                     .run_ns = raw->run_time_ns,
                     .run_count = raw->run_cnt};
}

Result<LinkInfo> link_info(int link_fd) {
  auto raw = info_of<bpf_link_info>(link_fd, "ask about a BPF link");
  if (!raw) return std::unexpected(raw.error());
  LinkInfo info{.id = raw->id, .type = raw->type, .program_id = raw->prog_id};
  if (raw->type == BPF_LINK_TYPE_CGROUP) {
    info.cgroup_id = raw->cgroup.cgroup_id;
    info.attach_type = raw->cgroup.attach_type;
  } else if (raw->type == BPF_LINK_TYPE_NETNS) {
    info.netns_inode = raw->netns.netns_ino;
    info.attach_type = raw->netns.attach_type;
  } else if (raw->type == CV_BPF_LINK_TYPE_TCX) {
    // Debian's header does not know it; the two numbers lie where a netns link has its own.
    info.ifindex = raw->netns.netns_ino;
    info.attach_type = raw->netns.attach_type;
  }
  return info;
}

Result<UniqueFd> program_by_id(std::uint32_t id) {
  bpf_attr attr{};
  attr.prog_id = id;
  const int fd = call(BPF_PROG_GET_FD_BY_ID, attr);
  if (fd < 0) return fail_errno(-fd, "open a BPF program by id");
  return UniqueFd(fd);
}

Result<std::vector<std::uint32_t>> effective_programs(int cgroup_fd, std::uint32_t attach_type) {
  std::vector<std::uint32_t> ids(kMaxQueried);
  bpf_attr attr{};
  attr.query.target_fd = static_cast<__u32>(cgroup_fd);
  attr.query.attach_type = attach_type;
  attr.query.query_flags = BPF_F_QUERY_EFFECTIVE;
  attr.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  attr.query.prog_cnt = kMaxQueried;
  const int rc = call(BPF_PROG_QUERY, attr);
  if (rc < 0) return fail_errno(-rc, "ask what hangs on a hook");
  ids.resize(std::min<std::size_t>(attr.query.prog_cnt, kMaxQueried));
  return ids;
}

std::uint64_t map_memory_bytes(int map_fd) {
  auto text = read_file(fmt::format("/proc/self/fdinfo/{}", map_fd), 64U << 10);
  return text ? number_after(*text, "memlock:") : 0;
}

Result<std::uint32_t> count_entries(int map_fd, std::uint32_t key_size, std::uint32_t max_entries) {
  std::vector<std::uint8_t> key(key_size), next(key_size);
  std::uint32_t count = 0;
  const void* from = nullptr;
  while (count < max_entries) {
    auto more = map_next_key(map_fd, from, next.data());
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    count++;
    key = next;
    from = key.data();
  }
  return count;
}

unsigned possible_cpus() {
  auto text = read_file("/sys/devices/system/cpu/possible", 4096);
  if (!text) return 1;
  const std::size_t last = text->find_last_of("-,");  // "0-3", "0", "0,2-3"
  const std::string_view tail =
      std::string_view(*text).substr(last == std::string::npos ? 0 : last + 1);
  unsigned highest = 0;
  std::from_chars(tail.data(), tail.data() + tail.size(), highest);
  return highest + 1;
}

Result<UniqueFd> enable_run_statistics() {
  bpf_attr attr{};
  attr.enable_stats.type = BPF_STATS_RUN_TIME;
  const int fd = call(BPF_ENABLE_STATS, attr);
  if (fd < 0) return fail_errno(-fd, "measure BPF programs");
  return UniqueFd(fd);
}

std::string map_type_name(std::uint32_t type) {
  switch (type) {
    case BPF_MAP_TYPE_HASH:
      return "hash";
    case BPF_MAP_TYPE_ARRAY:
      return "array";
    case BPF_MAP_TYPE_PERCPU_HASH:
      return "percpu_hash";
    case BPF_MAP_TYPE_LPM_TRIE:
      return "lpm_trie";
    case BPF_MAP_TYPE_SOCKHASH:
      return "sockhash";
    case BPF_MAP_TYPE_SK_STORAGE:
      return "sk_storage";
    default:
      return fmt::format("type {}", type);
  }
}

std::string attach_type_name(std::uint32_t attach_type) {
  switch (attach_type) {
    case BPF_CGROUP_INET4_CONNECT:
      return "connect4";
    case BPF_CGROUP_INET6_CONNECT:
      return "connect6";
    case BPF_CGROUP_INET4_GETPEERNAME:
      return "getpeername4";
    case BPF_CGROUP_INET6_GETPEERNAME:
      return "getpeername6";
    case BPF_CGROUP_SOCK_OPS:
      return "sock_ops";
    case BPF_SK_LOOKUP:
      return "sk_lookup";
    case BPF_CGROUP_SETSOCKOPT:
      return "setsockopt";
    case CV_BPF_TCX_EGRESS:
      return "tcx_egress";
    default:
      return fmt::format("attach type {}", attach_type);
  }
}

}  // namespace culvert::bpf
