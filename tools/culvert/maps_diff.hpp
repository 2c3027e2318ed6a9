// `culvert maps diff`: the kernel's maps against what the agent wants in them, entry by entry, and
// why it is or is not wanted. Pure.
#pragma once

#include <string>
#include <vector>

#include "culvert/capture_maps.hpp"

namespace culvert::cli {

struct MapDifference {
  std::string map, entry;    // "cv_pod", "shop/web (netns 4711)"
  std::string state;         // "missing", "extra", "different"
  std::string kernel, want;  // values; empty where there is none
  std::string why;
  bool by_agent = true;  // the agent writes it, so --fix helps; else ztunnel does
};

/// In the order of maps and entries; empty when the kernel has what the agent wants. Namespaces
/// that are ending may still be there.
std::vector<MapDifference> diff_maps(const Wishes& wishes, const CaptureMaps& kernel);

Json difference_json(const MapDifference& difference);

}  // namespace culvert::cli
