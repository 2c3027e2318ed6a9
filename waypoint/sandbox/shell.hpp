// Shell: a waypoint's own sandbox. First privileges, before any thread exists; then, once every
// thread and ring is there, the filter of system calls.
#pragma once

#include <span>

#include "culvert/base/error.hpp"
#include "culvert/sandbox/system_calls.hpp"

namespace culvert::waypoint {

/// Keeps CAP_NET_BIND_SERVICE alone, for an edge's ports below 1024: its pod's network namespace is
/// its own.
Result<void> give_up_privileges();

/// For good, on all threads, those to come included.
Result<void> give_up_system_calls();

/// What it needs beside sandbox::data_plane_rules(): to open files for reading.
std::span<const sandbox::Rule> own_system_calls();

}  // namespace culvert::waypoint
