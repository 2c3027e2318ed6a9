// Map entries as fields for people: pure, from the bytes of abi/maps.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "culvert/maps_names.hpp"

namespace culvert::cli {

/// One line of a dump: named fields in order, and the pod that it belongs to, when there is one.
struct MapLine {
  std::optional<std::uint64_t> netns_cookie;
  std::vector<std::pair<std::string, std::string>> fields;
};
using Bytes = std::span<const std::uint8_t>;

/// The lines that one entry makes: several for a pod's counters (those that are not 0), else one.
/// Empty when the map is not one of Culvert's or the sizes do not fit its layout. Per-CPU values
/// come as the kernel gives them, one after the other.
std::vector<MapLine> decode_entry(const std::string& map, Bytes key, Bytes value,
                                  const PodNames& names);

}  // namespace culvert::cli
