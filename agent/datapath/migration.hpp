// Pinned maps of an older layout: what a newer agent uses on as it is, and what it makes anew and
// fills from the old. The old maps stay pinned, and the programs on the hooks go on with them,
// until the new ones have taken their place. Owned by Programs; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "problem.hpp"

namespace culvert::agent {

/// What makes two maps the same to programs. Meaning is part of it: a layout that changes what a
/// field means gives the map another size or name (include/culvert/abi/maps.h).
struct MapShape {
  std::uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;
  bool operator==(const MapShape&) const = default;
};

/// Layouts: 0 when nothing is pinned yet, or its making was cut short.
Outcome<std::uint32_t> pinned_layout(const std::string& pin_dir);
/// Last of all: from here on the pins follow this binary's layout.
Outcome<void> write_layout(int layout_map_fd, std::uint16_t block_first);

class Migration {
 public:
  /// `from` is the pinned layout, older than ours.
  Migration(std::string pin_dir, std::uint32_t from) : pin_dir_(std::move(pin_dir)), from_(from) {}

  /// Where the map of this name is to be pinned: its place when the pinned one has the shape, or
  /// when there is none; else a place beside it. A problem when what is pinned cannot be migrated:
  /// it holds sockets, or has another key.
  Outcome<std::string> place(const std::string& name, const MapShape& wanted);
  /// Fills a map that place() put beside the old one. No effect for the others.
  Outcome<void> fill(const std::string& name, int new_map_fd);
  /// When every hook has the new programs: takes over what the old ones wrote meanwhile, and gives
  /// the new maps their places. Dying before or in it, the next agent begins anew.
  Outcome<void> finish();

 private:
  struct Moved {
    std::string name;
    UniqueFd old_map;
    MapShape old_shape, new_shape;
    int new_map = -1;  // borrowed
    unsigned entries = 0;
  };
  Outcome<unsigned> copy(const Moved& moved, std::uint64_t update_flags) const;

  std::string pin_dir_;
  std::uint32_t from_;
  std::vector<Moved> moved_;
};

}  // namespace culvert::agent
