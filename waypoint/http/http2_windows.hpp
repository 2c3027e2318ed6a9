// Flow-control windows of HTTP/2 connections that carry requests (those of tunnels are larger: a
// tunnel is a whole connection of an application). Shared by Http2Server and Http2Client.
#pragma once

#include <cstdint>

namespace culvert::waypoint {

/// Received and not passed on, a stream; and on their way to us, all of a connection.
inline constexpr std::uint32_t kStreamWindowBytes = 1U << 20;
inline constexpr std::uint32_t kConnectionWindowBytes = 4U << 20;

}  // namespace culvert::waypoint
