#include "culvert/sandbox/privileges.hpp"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <array>
#include <fstream>
#include <string>

#include "in_child.hpp"

using namespace culvert::sandbox;
using testing::in_child;
using testing::returned;

namespace {

std::string status_line(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return line.substr(name.size() + 2);
  }
  return "";
}

int with_sys_admin_only() {
  constexpr std::array kKept{CAP_SYS_ADMIN};
  if (!drop_privileges(kKept)) return 1;
  const std::string only = "0000000000200000";
  const std::string none = "0000000000000000";
  // Who runs the tests may have fewer; none of the others is left in any case.
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
    if (status_line(set) != only && status_line(set) != none) return 2;
  }
  if (status_line("CapInh") != none || status_line("CapAmb") != none) return 3;
  if (status_line("NoNewPrivs") != "1") return 4;
  rlimit core{};
  if (::getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) return 5;
  return ::prctl(PR_GET_DUMPABLE) == 0 ? 0 : 6;
}

}  // namespace

TEST_CASE("all privileges but the named ones are gone, and no core can be dumped") {
  CHECK(returned(in_child(with_sys_admin_only), 0));
}
