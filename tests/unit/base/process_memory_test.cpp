#include "culvert/base/process_memory.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace culvert;

namespace {

// Of all mappings that come from files, in KiB (proc_pid_status(5)).
std::size_t resident_from_files_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stoul(line.substr(8));
  }
  return 0;
}

}  // namespace

TEST_CASE("dropped pages are given back, and what is needed of them comes back unchanged") {
  static const std::string kText = "constants and code are as they were";
  const auto before = resident_from_files_kib();
  REQUIRE(before > 0);
  CHECK(drop_startup_pages() > 0);
  CHECK(resident_from_files_kib() < before);
  CHECK(kText.find("as they were") != std::string::npos);
  CHECK(drop_startup_pages() > 0);  // again, with all that was just used
}
