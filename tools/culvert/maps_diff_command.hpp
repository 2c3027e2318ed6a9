// `culvert maps diff`, a subcommand of `culvert maps`.
#pragma once

#include <string>

namespace culvert::cli {

struct MapsDiffOptions {
  std::string lab = "default", node, output = "table";
  bool fix = false;  // ask the agents to mend what differs
};

/// The exit status when the kernel has something else than its agents want.
inline constexpr int kMapsDiffer = 2;
/// Prints the differences; returns the exit status: 0 none, 1 they cannot be told, kMapsDiffer.
int run_maps_diff(const MapsDiffOptions& options);

}  // namespace culvert::cli
