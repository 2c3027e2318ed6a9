#include "migration.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "culvert/abi/maps.h"
#include "culvert/base/log.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"

namespace culvert::agent {
namespace {

// Written by programs at any time, so looked at again once no program writes to the old map. The
// agent alone writes the others, and does so in the new map by then.
constexpr const char* kWrittenByPrograms[] = {"cv_origin", "cv_client", "cv_kubelet", "cv_counter"};

std::string drain_and_unload(const std::string& pin_dir) {
  return fmt::format("drain the node's pods, then run: culvert-agent unload --bpf-dir {}", pin_dir);
}

bool is_per_cpu(const MapShape& shape) {
  return shape.type == BPF_MAP_TYPE_PERCPU_HASH || shape.type == BPF_MAP_TYPE_PERCPU_ARRAY;
}
bool holds_sockets(const MapShape& shape) {
  return shape.type == BPF_MAP_TYPE_SOCKHASH || shape.type == BPF_MAP_TYPE_SOCKMAP ||
         shape.type == BPF_MAP_TYPE_SK_STORAGE;
}
// bpf(2): per-CPU values come as one array, each rounded up to 8 bytes.
std::size_t values(const MapShape& shape) {
  return is_per_cpu(shape) ? bpf::possible_cpus() : 1;
}
std::size_t stride(const MapShape& shape) {
  return is_per_cpu(shape) ? (shape.value_size + 7U) / 8U * 8U : shape.value_size;
}

// New fields stand at the end of a value, and zero means that nothing is known.
std::vector<std::uint8_t> extended(const std::vector<std::uint8_t>& old, const MapShape& from,
                                   const MapShape& to) {
  std::vector<std::uint8_t> out(stride(to) * values(to));
  for (std::size_t i = 0; i < values(to); ++i) {
    std::memcpy(out.data() + i * stride(to), old.data() + i * stride(from), from.value_size);
  }
  return out;
}

Outcome<std::vector<std::vector<std::uint8_t>>> keys_of(int map_fd, const MapShape& shape) {
  std::vector<std::vector<std::uint8_t>> keys;
  std::vector<std::uint8_t> next(shape.key_size);
  while (keys.size() < shape.max_entries) {
    auto more = bpf::map_next_key(map_fd, keys.empty() ? nullptr : keys.back().data(), next.data());
    if (!more) return problem("walk an older map", more.error());
    if (!*more) break;
    keys.push_back(next);
  }
  return keys;
}

}  // namespace

Outcome<std::uint32_t> pinned_layout(const std::string& pin_dir) {
  auto pinned = bpf::open_pinned(pin_dir + "/cv_layout");
  if (!pinned) {
    if (pinned.error().code == ErrorCode::kNotFound) return 0U;
    return problem("open " + pin_dir + "/cv_layout", pinned.error(), "run as root");
  }
  const __u32 key = 0;
  cv_layout_value value{};
  auto there = bpf::map_lookup(pinned->get(), &key, &value);
  if (!there) return problem("read " + pin_dir + "/cv_layout", there.error());
  const std::uint32_t layout = CV_LAYOUT_OF(value.version);
  if (layout <= CV_LAYOUT_VERSION) return layout;
  return problem(
      fmt::format("the maps pinned in {} follow layout {}, this agent knows layouts up to {}",
                  pin_dir, layout, CV_LAYOUT_VERSION),
      "start the newer agent that made them, or " + drain_and_unload(pin_dir));
}

Outcome<void> write_layout(int layout_map_fd, std::uint16_t block_first) {
  const __u32 key = 0;
  const cv_layout_value value{.version = CV_LAYOUT_WORD, .block_first = block_first};
  auto written = bpf::map_update(layout_map_fd, &key, &value);
  if (!written) return problem("write cv_layout", written.error());
  return {};
}

Outcome<std::string> Migration::place(const std::string& name, const MapShape& wanted) {
  const std::string path = pin_dir_ + "/" + name, beside = path + "_next";
  ::unlink(beside.c_str());  // of a migration that was cut short
  auto old_map = bpf::open_pinned(path);
  if (!old_map && old_map.error().code == ErrorCode::kNotFound) return path;
  if (!old_map) return problem("open " + path, old_map.error(), "run as root");
  const auto info = bpf::map_info(old_map->get());
  if (!info) return problem("ask about " + path, info.error());
  const MapShape old{info->type, info->key_size, info->value_size, info->max_entries, info->flags};
  if (old == wanted) return path;
  const bool possible = !holds_sockets(old) && !holds_sockets(wanted) && old.type == wanted.type &&
                        old.key_size == wanted.key_size && old.value_size <= wanted.value_size;
  if (!possible) {
    return problem(
        fmt::format("{} of layout {} cannot become one of layout {} ({} bytes of key and "
                    "{} of value, now {} and {})",
                    path, from_, CV_LAYOUT_VERSION, old.key_size, old.value_size, wanted.key_size,
                    wanted.value_size),
        drain_and_unload(pin_dir_));
  }
  moved_.push_back({name, std::move(*old_map), old, wanted});
  return beside;
}

Outcome<unsigned> Migration::copy(const Moved& moved, std::uint64_t update_flags) const {
  auto keys = keys_of(moved.old_map.get(), moved.old_shape);
  if (!keys) return std::unexpected(keys.error());
  unsigned copied = 0;
  std::vector<std::uint8_t> value(stride(moved.old_shape) * values(moved.old_shape));
  for (const auto& key : *keys) {
    if (!bpf::map_lookup(moved.old_map.get(), key.data(), value.data()).value_or(false)) continue;
    const auto fresh = extended(value, moved.old_shape, moved.new_shape);
    const auto written = bpf::map_update(moved.new_map, key.data(), fresh.data(), update_flags);
    if (!written && written.error().sys_errno == EEXIST) continue;
    if (!written) return problem("fill " + moved.name + " of the new layout", written.error());
    ++copied;
  }
  return copied;
}

Outcome<void> Migration::fill(const std::string& name, int new_map_fd) {
  const auto moved = std::ranges::find(moved_, name, &Moved::name);
  if (moved == moved_.end()) return {};
  moved->new_map = new_map_fd;
  auto copied = copy(*moved, BPF_ANY);
  if (!copied) return std::unexpected(copied.error());
  moved->entries = *copied;
  return {};
}

Outcome<void> Migration::finish() {
  for (const Moved& moved : moved_) {
    if (std::ranges::find(kWrittenByPrograms, moved.name) != std::end(kWrittenByPrograms)) {
      if (auto late = copy(moved, BPF_NOEXIST); !late) return std::unexpected(late.error());
    }
    const std::string path = pin_dir_ + "/" + moved.name;
    if (std::rename((path + "_next").c_str(), path.c_str()) != 0)
      return problem(fmt::format("put {} in its place: {}", path, strerror(errno)));
    log::info("{}: {} entries taken over from layout {}", moved.name, moved.entries, from_);
  }
  return {};
}

}  // namespace culvert::agent
