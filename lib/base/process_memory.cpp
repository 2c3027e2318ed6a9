#include "culvert/base/process_memory.hpp"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace culvert {
namespace {

struct Mapping {
  std::uintptr_t begin = 0, end = 0;
  bool from_file = false;  // and neither writable nor shared
  bool written = false;    // some page of it is no longer the file's
};

// smaps(5): a line "BEGIN-END PERMISSIONS OFFSET DEVICE INODE PATH" a mapping, then its figures.
std::vector<Mapping> read_mappings() {
  std::vector<Mapping> out;
  std::ifstream smaps("/proc/self/smaps");
  for (std::string line; std::getline(smaps, line);) {
    Mapping found;
    char permissions[5] = {};
    unsigned long inode = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*s %lu", &found.begin,
                    &found.end, permissions, &inode) == 4) {
      const std::string_view allowed(permissions);
      found.from_file = inode != 0 && (allowed == "r-xp" || allowed == "r--p");
      out.push_back(found);
    } else if (!out.empty() && line.starts_with("Anonymous:")) {
      out.back().written = line.find(" 0 kB") == std::string::npos;
    }
  }
  return out;
}

}  // namespace

std::size_t drop_startup_pages() {
  std::size_t dropped = 0;
  for (const auto& mapping : read_mappings()) {
    if (!mapping.from_file || mapping.written) continue;
    const std::size_t bytes = mapping.end - mapping.begin;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses are text in /proc
    if (::madvise(reinterpret_cast<void*>(mapping.begin), bytes, MADV_DONTNEED) == 0) {
      dropped += bytes;
    }
  }
  return dropped;
}

}  // namespace culvert
