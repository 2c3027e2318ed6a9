// The data threads of a ztunnel or waypoint: how many, and how they are started.
#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace culvert::proxy {

/// `asked`, or for 0 a quarter of the cores: at least one, at most `most`.
unsigned data_threads(unsigned asked, unsigned most);

/// Runs each on a thread of its own, "worker-0" and so on, with short time slices
/// (culvert/proxy/time_slice.hpp). Returns once each thread has asked the kernel for what it needs:
/// that comes before the process gives system calls up. The caller joins them.
std::vector<std::thread> start_data_threads(std::vector<std::function<void()>> workers);

}  // namespace culvert::proxy
