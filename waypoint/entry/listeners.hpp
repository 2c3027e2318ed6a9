// The listeners of a waypoint: HBONE at its pod's addresses, plain TCP at an edge's ports.
#pragma once

#include <cstdint>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "waypoint/settings.hpp"

namespace culvert::waypoint {

struct Listener {
  enum class Kind : std::uint8_t { kHbone, kEdge };
  UniqueFd fd;
  Kind kind = Kind::kHbone;
};

/// Opens one worker's listeners of a port, one at each of the pod's addresses; all or none. Workers
/// share the ports (SO_REUSEPORT), so that a connection's worker follows from its ends.
Result<std::vector<Listener>> open_listeners(const Settings& settings, std::uint16_t port,
                                             Listener::Kind kind);

}  // namespace culvert::waypoint
