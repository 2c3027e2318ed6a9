// The origin that all figures are measured against: one thread, epoll, HTTP/1.1 as of http.hpp.
// What it is sent is checked, and what it answers can be.
#pragma once

#include <cstdint>

namespace culvert::bench {

/// Serves until the process is ended; a port that is taken ends it with status 2.
[[noreturn]] void serve(std::uint16_t port);

}  // namespace culvert::bench
