// What the lab reads from the kernel's text files.
#include <doctest/doctest.h>

#include "lab/cgroup.hpp"
#include "lab/readiness.hpp"

using namespace culvert::lab;

TEST_CASE("cgroup2 is found by its type, wherever it is mounted") {
  CHECK(find_cgroup2("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                     "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
                     "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n") ==
        "/sys/fs/cgroup/unified");
  CHECK(find_cgroup2("30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n") ==
        "/sys/fs/cgroup");
  CHECK(find_cgroup2("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n").empty());
  CHECK(find_cgroup2("30 23 0:26 /part /mnt rw - cgroup2 cgroup2 rw\n").empty());
}

TEST_CASE("listening ports are those in state LISTEN, in both families") {
  const auto ports = listening_ports(
      "  sl  local_address rem_address   st tx_queue\n"
      "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000\n"
      "   1: 0100007F:0050 0100007F:C000 01 00000000:00000000\n"
      "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A\n");
  CHECK(ports == std::set<std::uint16_t>{8080, 22});
}
