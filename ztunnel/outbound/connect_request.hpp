// What we tell the other end of a tunnel about a connection, and what it tells about itself.
#pragma once

#include "culvert/h2/header.hpp"
#include "culvert/hbone/headers.hpp"
#include "culvert/mesh/route.hpp"
#include "culvert/telemetry/connection_record.hpp"

namespace culvert::ztunnel {

/// The header block of the CONNECT for a routed connection of the application at `client`.
h2::Headers connect_request(const mesh::Workload& source, const mesh::Route& route,
                            const SocketAddress& client, const telemetry::Trace& trace);

}  // namespace culvert::ztunnel
