// Finding mounts in the text of /proc/PID/mountinfo.
#include <doctest/doctest.h>

#include "culvert/bpf/mounts.hpp"

using culvert::bpf::find_mount;

namespace {
constexpr const char* kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:7 master:1 - cgroup cgroup rw,cpu\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
    "42 31 0:39 / /mnt/a\\040b rw - bpf bpf rw\n";
}

TEST_CASE("cgroup2 is found by type, wherever a hybrid layout mounts it") {
  CHECK(find_mount(kHybrid, "cgroup2") == "/sys/fs/cgroup/unified");
}

TEST_CASE("escaped spaces in a mount point are read back") {
  CHECK(find_mount(kHybrid, "bpf") == "/mnt/a b");
}

TEST_CASE("a type that is not mounted is not found, nor in broken text") {
  CHECK_FALSE(find_mount(kHybrid, "nfs"));
  CHECK_FALSE(find_mount("1 2 3\n- cgroup2\n\n", "cgroup2"));
}
