// Blocking request and answer over a Unix stream socket, one exchange a connection: how commands
// talk to the lab's supervisor.
#pragma once

#include <chrono>
#include <string>

#include "lab/problem.hpp"

namespace culvert::lab {

inline constexpr std::size_t kAnswerBytesMax = 64U << 20;

/// Connects, sends `request` and the stream's end, and reads until the peer closes.
Outcome<std::string> exchange(const std::string& socket_path, const std::string& request,
                              std::chrono::milliseconds timeout);

}  // namespace culvert::lab
