// cgroup2 folders of a lab. The mount is found in the mount table: in a hybrid layout cgroup2 is
// not at /sys/fs/cgroup (cgroups(7)).
#pragma once

#include <string>

#include "culvert/base/fd.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

/// The first cgroup2 mount in mountinfo text (proc(5)); empty when there is none.
std::string find_cgroup2(std::string_view mountinfo);
/// The cgroup2 mount of this machine.
Outcome<std::string> cgroup2_mount();

/// Makes a cgroup and its parents; `path` is below the mount.
Outcome<std::string> create_cgroup(const std::string& path);
/// Kills every process in it and below (cgroup.kill, Linux 5.14), waits until none is left, and
/// removes it and everything below. Absence is success.
Outcome<void> remove_cgroup(const std::string& path);
/// Removes the cgroup if nothing is in it.
void remove_cgroup_if_empty(const std::string& path);
/// Moves the calling process.
Outcome<void> join_cgroup(const std::string& full_path);

}  // namespace culvert::lab
