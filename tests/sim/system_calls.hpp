// What stands in for the C library in a simulation: the program's own definitions of these
// functions come before the library's, for our code and for OpenSSL alike. Descriptors below
// Network::kFirstFd, and everything while no simulation runs, go to the real system.
#pragma once

#include <chrono>
#include <cstdint>

#include "culvert/io/deadline.hpp"
#include "scheduler.hpp"

namespace culvert::sim {

inline constexpr std::chrono::seconds kMonotonicStart{1'000'000};
inline constexpr std::chrono::seconds kWallStart{1'800'000'000};

/// A point of the simulated monotonic clock as simulation time.
Time simulated_time(io::Deadline at);

/// From now on the clock stands at the start, or follows the scheduler; null: stands.
void follow(const Scheduler* scheduler);

/// Seeds what OpenSSL and std::random_device give. Process wide.
void seed_chance(std::uint64_t seed);

}  // namespace culvert::sim
