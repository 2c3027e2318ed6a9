// Walking pins and maps.
#include "culvert/maps_read.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "culvert/abi/kernel.h"
#include "culvert/bpf/mounts.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxCgroups = 100'000;
constexpr std::size_t kMaxLines = 1'000'000;

std::vector<std::string> entries_of(const std::string& folder, bool folders) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error) == folders) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

bool walkable(std::uint32_t type) {
  return type != BPF_MAP_TYPE_SK_STORAGE;
}

bool per_cpu(std::uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH;
}

// The folder of a cgroup, found by its id (its inode number); "cgroup 123" when it is not visible
// here.
std::string cgroup_path(std::uint64_t id) {
  auto mount = bpf::cgroup2_mount();
  std::error_code error;
  std::size_t seen = 0;
  struct stat st{};
  if (mount && stat(mount->c_str(), &st) == 0 && st.st_ino == id) return *mount;
  if (!mount) return fmt::format("cgroup {}", id);
  for (auto it = fs::recursive_directory_iterator(*mount, error);
       it != fs::recursive_directory_iterator() && seen < kMaxCgroups; it.increment(error)) {
    if (error || !it->is_directory(error)) continue;
    seen++;
    if (stat(it->path().c_str(), &st) == 0 && st.st_ino == id) return it->path();
  }
  return fmt::format("cgroup {}", id);
}

Result<ProgramRow> program_row(const std::string& pin, const PodNames& names) {
  auto link = bpf::open_pinned(pin);
  if (!link) return std::unexpected(link.error());
  auto info = bpf::link_info(link->get());
  if (!info) return std::unexpected(info.error());
  ProgramRow row{
      .hook = bpf::attach_type_name(info->attach_type), .pin = pin, .id = info->program_id};
  if (info->type == BPF_LINK_TYPE_NETNS) {
    row.netns_cookie = std::strtoull(fs::path(pin).filename().c_str(), nullptr, 10);
    row.attached =
        info->netns_inode == 0 ? "a namespace that is gone" : names.pod(*row.netns_cookie);
  } else if (info->type == CV_BPF_LINK_TYPE_TCX) {
    // The pin is called COOKIE_IFINDEX.
    row.netns_cookie = std::strtoull(fs::path(pin).filename().c_str(), nullptr, 10);
    row.attached = info->ifindex == 0 ? "an interface that is gone" : names.pod(*row.netns_cookie);
  } else {
    row.attached = info->cgroup_id == 0 ? "a cgroup that is gone" : cgroup_path(info->cgroup_id);
  }
  auto program = bpf::program_by_id(row.id);
  if (auto about = program ? bpf::program_info(program->get()) : std::unexpected(program.error()))
    row.name = about->name;
  return row;
}

// Reads each program's totals; at the end what ran since the beginning stays.
void read_runs(std::vector<ProgramRow>& rows, bool end) {
  for (ProgramRow& row : rows) {
    auto program = bpf::program_by_id(row.id);
    auto info = program ? bpf::program_info(program->get()) : std::unexpected(program.error());
    if (!info) continue;
    row.run_count = end ? info->run_count - row.run_count : info->run_count;
    row.run_ns = end ? info->run_ns - row.run_ns : info->run_ns;
  }
}

}  // namespace

Result<std::vector<MapRow>> list_maps(const NodePins& pins) {
  std::error_code error;
  if (!fs::is_directory(pins.bpf_dir, error))
    return fail(ErrorCode::kNotFound, "open the folder of pins");
  std::vector<MapRow> rows;
  for (const std::string& name : entries_of(pins.bpf_dir, false)) {
    auto fd = bpf::open_pinned(pins.bpf_dir + "/" + name);
    if (!fd) return std::unexpected(fd.error());
    auto info = bpf::map_info(fd->get());
    if (!info) return std::unexpected(info.error());
    MapRow row{.name = name,
               .type = bpf::map_type_name(info->type),
               .pin = pins.bpf_dir + "/" + name,
               .capacity = info->max_entries,
               .memory_bytes = bpf::map_memory_bytes(fd->get())};
    if (walkable(info->type)) {
      auto count = bpf::count_entries(fd->get(), info->key_size, info->max_entries);
      if (count) row.entries = *count;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<MapLine>> dump_map(const NodePins& pins, const std::string& map) {
  auto fd = bpf::open_pinned(pins.bpf_dir + "/" + map);
  if (!fd) return std::unexpected(fd.error());
  auto info = bpf::map_info(fd->get());
  if (!info) return std::unexpected(info.error());
  if (!walkable(info->type))
    return fail(ErrorCode::kInvalid, "socket storage lives with its sockets and cannot be listed");
  const PodNames names = PodNames::load(pins.state_dir);
  // Per-CPU values come padded to 8 bytes, one for each possible CPU.
  const std::size_t value_size = per_cpu(info->type)
                                     ? (info->value_size + 7) / 8 * 8 * bpf::possible_cpus()
                                     : info->value_size;
  std::vector<std::uint8_t> key(info->key_size), next(info->key_size), value(value_size);
  std::vector<MapLine> lines;
  const void* from = nullptr;
  for (std::uint32_t seen = 0; seen < info->max_entries && lines.size() < kMaxLines; seen++) {
    auto more = bpf::map_next_key(fd->get(), from, next.data());
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    // An entry may go between the two calls.
    if (bpf::map_lookup(fd->get(), next.data(), value.data()).value_or(false))
      for (MapLine& line : decode_entry(map, next, value, names)) lines.push_back(std::move(line));
    key = next;
    from = key.data();
  }
  return lines;
}

Result<std::set<std::uint64_t>> map_cookies(const NodePins& pins, const std::string& map) {
  auto fd = bpf::open_pinned(pins.bpf_dir + "/" + map);
  if (!fd) return std::unexpected(fd.error());
  auto info = bpf::map_info(fd->get());
  if (!info) return std::unexpected(info.error());
  if (info->key_size != sizeof(std::uint64_t))
    return fail(ErrorCode::kInvalid, "the map's keys are no netns cookies");
  std::set<std::uint64_t> out;
  std::uint64_t key = 0, next = 0;
  const void* from = nullptr;
  for (std::uint32_t seen = 0; seen < info->max_entries; seen++) {
    auto more = bpf::map_next_key(fd->get(), from, &next);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    out.insert(next);
    key = next;
    from = &key;
  }
  return out;
}

Result<std::vector<ProgramRow>> list_programs(const NodePins& pins) {
  std::error_code error;
  if (!fs::is_directory(pins.bpf_dir, error))
    return fail(ErrorCode::kNotFound, "open the folder of pins");
  const PodNames names = PodNames::load(pins.state_dir);
  std::vector<ProgramRow> rows;
  for (const char* folder : {"/links", "/pods", "/guards"})
    for (const std::string& name : entries_of(pins.bpf_dir + folder, false)) {
      auto row = program_row(pins.bpf_dir + folder + "/" + name, names);
      if (!row) return std::unexpected(row.error());
      rows.push_back(std::move(*row));
    }
  return rows;
}

Result<void> profile_programs(std::vector<ProgramRow>& rows, std::chrono::seconds duration) {
  auto statistics = bpf::enable_run_statistics();
  if (!statistics) return std::unexpected(statistics.error());
  read_runs(rows, false);
  std::this_thread::sleep_for(duration);
  read_runs(rows, true);
  return {};
}

}  // namespace culvert::cli
