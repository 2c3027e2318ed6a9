// Where cgroup2 and the bpf file system are mounted: asked of the mount table, never assumed (a
// hybrid cgroup layout has cgroup2 at .../unified).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert::bpf {

inline constexpr const char* kBpffsPath = "/sys/fs/bpf";

/// The mount point of the first mount of `type` ("cgroup2", "bpf") in the text of
/// /proc/PID/mountinfo, see proc_pid_mountinfo(5).
std::optional<std::string> find_mount(std::string_view mountinfo, std::string_view type);

/// This process's cgroup2 mount; kNotFound when there is none.
Result<std::string> cgroup2_mount();
/// This process's bpf file system; where there is none it is mounted at kBpffsPath (needs root).
Result<std::string> bpffs_mount();
/// Makes sure that kBpffsPath or whatever holds `path` is a bpf file system, then mkdir -p's
/// `path`. kInvalid when `path` lies on another file system.
Result<void> make_pin_dir(const std::string& path);

}  // namespace culvert::bpf
