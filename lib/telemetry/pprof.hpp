// Writes samples as perftools.profiles.Profile (google/pprof, proto/profile.proto). Private to
// lib/telemetry.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "heap_samples.hpp"
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

/// Of allocations that are in use, each standing for as many as its chance to be sampled says. Not
/// compressed. `lost`: so many found no place.
std::string write_heap_pprof(const std::vector<HeapSample>& samples, std::size_t lost,
                             const std::vector<Mapping>& mappings);

}  // namespace culvert::telemetry
