// Writes samples as perftools.profiles.Profile (google/pprof, proto/profile.proto). Private to
// lib/telemetry.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "profile_samples.hpp"

namespace culvert::telemetry {

/// A line of /proc/self/maps (proc(5)) that is code or may hold a stack.
struct Mapping {
  MemoryRange range;
  std::uint64_t offset = 0;  // in the file
  bool executable = false;
  bool writable = false;
  std::string file;  // empty: of no file
};
std::vector<Mapping> read_mappings();
std::vector<MemoryRange> stack_ranges(const std::vector<Mapping>& mappings);

struct ProfileTime {
  std::chrono::system_clock::time_point begun;
  std::chrono::seconds duration;
  int hertz;
};

/// Not compressed. Equal stacks of a thread are one sample. Functions are named from the symbol
/// tables of the files (symbols.hpp), so that the profile can be read without them.
std::string write_pprof(const ProfileSamples& samples, const std::vector<Mapping>& mappings,
                        const ProfileTime& time);

}  // namespace culvert::telemetry
