// Finding and making the mounts that pins and cgroups need.
#include "culvert/bpf/mounts.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <cerrno>

#include "culvert/base/fd.hpp"

namespace culvert::bpf {
namespace {

constexpr std::size_t kMaxMountinfo = 4U << 20;

// Cuts the next space-separated field off `line`.
std::string_view next_field(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return field;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<std::string> own_mount(std::string_view type) {
  auto mountinfo = read_file("/proc/self/mountinfo", kMaxMountinfo);
  if (!mountinfo) return std::unexpected(mountinfo.error());
  auto found = find_mount(*mountinfo, type);
  if (!found) return fail(ErrorCode::kNotFound, "find the mount in /proc/self/mountinfo");
  return *found;
}

}  // namespace

std::optional<std::string> find_mount(std::string_view mountinfo, std::string_view type) {
  while (!mountinfo.empty()) {
    const std::size_t end = mountinfo.find('\n');
    std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(end == std::string_view::npos ? mountinfo.size() : end + 1);
    for (int skipped = 0; skipped < 4; skipped++) next_field(line);
    const std::string_view point = next_field(line);
    const std::size_t dash = line.find("- ");  // ends the optional fields
    if (dash == std::string_view::npos) continue;
    line.remove_prefix(dash + 2);
    if (next_field(line) == type) return unescape(point);
  }
  return std::nullopt;
}

Result<std::string> cgroup2_mount() {
  return own_mount("cgroup2");
}

Result<std::string> bpffs_mount() {
  if (auto there = own_mount("bpf")) return there;
  if (mount("bpf", kBpffsPath, "bpf", 0, "mode=0700") != 0)
    return fail_errno(errno, "mount the bpf file system at /sys/fs/bpf");
  return std::string(kBpffsPath);
}

Result<void> make_pin_dir(const std::string& path) {
  if (auto mounted = bpffs_mount(); !mounted) return std::unexpected(mounted.error());
  if (auto made = make_dirs(path, 0700); !made) return made;
  struct statfs fs{};
  if (statfs(path.c_str(), &fs) != 0) return fail_errno(errno, "look at the folder for pins");
  if (fs.f_type != BPF_FS_MAGIC)
    return fail(ErrorCode::kInvalid, "the folder for pins is not on a bpf file system");
  return {};
}

}  // namespace culvert::bpf
