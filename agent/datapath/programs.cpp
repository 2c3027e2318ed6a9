// Loading through the libbpf skeleton that the build generates from bpf/.
#include "programs.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "culvert.skel.h"
#include "culvert/abi/maps.h"
#include "culvert/base/log.hpp"
#include "culvert/bpf/objects.hpp"
#include "culvert/bpf/syscall.hpp"
#include "migration.hpp"

namespace culvert::agent {
namespace {

constexpr int kLogLine = 512;
constexpr const char* kLicense = "Dual BSD/GPL";

// libbpf's warnings say which map or program failed; its verifier logs go to the debug level.
int print_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  char line[kLogLine];
  const int size = vsnprintf(line, sizeof line, format, arguments);
  const std::string_view text(line, strnlen(line, sizeof line));
  if (level == LIBBPF_WARN) log::debug("{}", text);
  return size;
}

MapShape shape_of(const bpf_map* map) {
  return {static_cast<std::uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
          bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map)};
}

// Writes the cookie where the marker stands; how often it stood there.
int patch_cookie(std::vector<bpf_insn>& code, std::uint64_t cookie) {
  int patched = 0;
  for (std::size_t i = 0; i + 1 < code.size(); i++) {
    if (code[i].code != (BPF_LD | BPF_IMM | BPF_DW) || code[i].src_reg != 0) continue;
    const auto low = static_cast<std::uint32_t>(code[i].imm);
    const auto high = static_cast<std::uint32_t>(code[i + 1].imm);
    if ((static_cast<std::uint64_t>(high) << 32 | low) != CV_COOKIE_HERE) continue;
    code[i].imm = static_cast<std::int32_t>(cookie);
    code[i + 1].imm = static_cast<std::int32_t>(cookie >> 32);
    patched++;
  }
  return patched;
}

// Handshake tables have the size of the settings, or the one that they were pinned with.
Outcome<void> size_map(bpf_map* map, const std::string& path, const ProgramSettings& settings) {
  const std::string_view name = bpf_map__name(map);
  if (name != "cv_origin" && name != "cv_client") return {};
  unsigned entries = settings.max_handshakes;
  if (const auto pinned = bpf::open_pinned(path)) {
    const auto info = bpf::map_info(pinned->get());
    if (!info) return problem("ask about " + path, info.error());
    if (entries != 0 && entries != info->max_entries)
      log::warn("{} keeps its {} entries until it is unloaded", path, info->max_entries);
    entries = info->max_entries;
  }
  if (entries != 0 && bpf_map__set_max_entries(map, entries) != 0) return problem("size " + path);
  return {};
}

Outcome<UniqueFd> load_copy(const bpf_program* original, std::uint64_t cookie) {
  const char* name = bpf_program__name(original);
  const bpf_insn* first = bpf_program__insns(original);
  std::vector<bpf_insn> code(first, first + bpf_program__insn_cnt(original));
  if (patch_cookie(code, cookie) == 0)
    return problem(fmt::format("{} has no place for a netns cookie", name));
  LIBBPF_OPTS(bpf_prog_load_opts, options,
              .expected_attach_type = bpf_program__expected_attach_type(original));
  const int fd = bpf_prog_load(bpf_program__type(original), name, kLicense, code.data(),
                               code.size(), &options);
  if (fd < 0) return problem(fmt::format("load {}: {}", name, strerror(-fd)));
  return UniqueFd(fd);
}

}  // namespace

struct Programs::Loaded {
  culvert_bpf* skeleton = nullptr;
  std::optional<Migration> migration;  // under way
  std::uint16_t block_first = 0;
  ~Loaded() { culvert_bpf__destroy(skeleton); }
};

Programs::Programs(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
Programs::Programs(Programs&&) noexcept = default;
Programs& Programs::operator=(Programs&&) noexcept = default;
Programs::~Programs() = default;

Outcome<Programs> Programs::load(const std::string& pin_dir, const ProgramSettings& settings) {
  auto layout = pinned_layout(pin_dir);
  if (!layout) return std::unexpected(layout.error());
  libbpf_set_print(print_libbpf);
  auto loaded = std::make_unique<Loaded>();
  loaded->skeleton = culvert_bpf__open();
  if (loaded->skeleton == nullptr) return problem("read the built-in BPF object");
  loaded->skeleton->rodata->cfg_block_first = settings.block_first;
  loaded->skeleton->rodata->cfg_set_retval =
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, nullptr) == 1;
  loaded->block_first = settings.block_first;
  // 0: all maps are made now, whatever an agent that was killed before us has begun.
  if (*layout != 0 && *layout < CV_LAYOUT_VERSION) loaded->migration.emplace(pin_dir, *layout);
  if (auto ok = name_pins(*loaded, pin_dir, settings); !ok) return std::unexpected(ok.error());
  if (const int rc = culvert_bpf__load(loaded->skeleton); rc != 0)
    return problem(fmt::format("load the BPF programs: {}", strerror(-rc)),
                   "run culvert-agent probe; --log-level debug shows libbpf's own words");
  Programs programs(std::move(loaded));
  if (auto ok = programs.fill_maps(); !ok) return std::unexpected(ok.error());
  return programs;
}

Outcome<void> Programs::name_pins(Loaded& loaded, const std::string& pin_dir,
                                  const ProgramSettings& settings) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, loaded.skeleton->obj) {
    if (bpf_map__is_internal(map)) continue;
    std::string path = pin_dir + "/" + bpf_map__name(map);
    if (auto sized = size_map(map, path, settings); !sized) return std::unexpected(sized.error());
    if (loaded.migration) {
      auto place = loaded.migration->place(bpf_map__name(map), shape_of(map));
      if (!place) return std::unexpected(place.error());
      path = *place;
    }
    if (bpf_map__set_pin_path(map, path.c_str()) != 0) return problem("name the pin " + path);
  }
  return {};
}

Outcome<void> Programs::fill_maps() {
  if (!loaded_->migration) return write_layout(map_fd("cv_layout"), loaded_->block_first);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, loaded_->skeleton->obj) {
    if (auto ok = loaded_->migration->fill(bpf_map__name(map), bpf_map__fd(map)); !ok) return ok;
  }
  return {};
}

Outcome<void> Programs::settle() {
  if (!loaded_->migration) return {};
  if (auto ok = loaded_->migration->finish(); !ok) return ok;
  loaded_->migration.reset();
  return write_layout(map_fd("cv_layout"), loaded_->block_first);
}

int Programs::program_fd(const char* name) const {
  const bpf_program* program = bpf_object__find_program_by_name(loaded_->skeleton->obj, name);
  return program == nullptr ? -1 : bpf_program__fd(program);
}

int Programs::map_fd(const char* name) const {
  return bpf_object__find_map_fd_by_name(loaded_->skeleton->obj, name);
}

Outcome<UniqueFd> Programs::load_sk_lookup(std::uint64_t netns_cookie) const {
  return load_copy(loaded_->skeleton->progs.cv_sk_lookup, netns_cookie);
}

Outcome<UniqueFd> Programs::load_guard(std::uint64_t netns_cookie) const {
  return load_copy(loaded_->skeleton->progs.cv_guard_pod, netns_cookie);
}

Outcome<void> Programs::serve_guards() {
  const __u32 only = 0;
  const int judging = program_fd("cv_guard");
  if (auto ok = bpf::map_update(map_fd("cv_guard_code"), &only, &judging); !ok)
    return problem("write cv_guard_code", ok.error());
  return {};
}

}  // namespace culvert::agent
