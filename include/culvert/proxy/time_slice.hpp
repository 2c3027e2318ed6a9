// How the kernel's scheduler treats a data thread. An application waits for each of its turns, and
// shares the cores with it.
#pragma once

#include <chrono>

#include "culvert/base/error.hpp"

namespace culvert::proxy {

/// The shortest that the kernel gives.
inline constexpr std::chrono::microseconds kDataThreadSlice{100};

/// Asks for time slices of that length for the calling thread: it gets as much of the CPU as
/// before, in smaller parts, and sooner after it wakes up; whoever runs on its core then is let
/// run only so long. Needs no privilege. Linux 6.12 and newer (sched_setattr(2) with sched_runtime
/// for SCHED_OTHER, EEVDF); older kernels take it and ignore it. kSystem when it is refused.
Result<void> take_short_slices(std::chrono::microseconds slice);

}  // namespace culvert::proxy
