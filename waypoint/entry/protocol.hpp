// What is made of a connection: HTTP by version, or bytes that are passed on. Pure.
#pragma once

#include <cstdint>

#include "culvert/http/protocol.hpp"
#include "culvert/mesh/snapshot.hpp"
#include "culvert/mesh/workload.hpp"
#include "waypoint/entry/arrival.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

enum class Speaks : std::uint8_t { kTcp, kHttp1, kHttp2 };

/// How the port was declared where `arrival` leads: the service's, or, for a workload by address,
/// that of a service of its own namespace whose port leads to that port of it. kHttp11 at an edge.
mesh::AppProtocol declared_at(const mesh::Snapshot& mesh, const Arrival& arrival);

/// Whether the client's first bytes are to be read before anything else: not where the port was
/// declared to be something that is passed on as it is.
bool asks_first_bytes(mesh::AppProtocol declared);

/// Whether the client must speak first, so that it may take its time.
bool client_speaks_first(mesh::AppProtocol declared);

/// `first` is what its first bytes say: kMore when none came in time. On a port that was declared
/// HTTP everything is HTTP, well-formed or not: the reader refuses what is not.
Speaks decide_protocol(mesh::AppProtocol declared, http::Detected first);

/// Of HTTP.
inline HttpVersion version_of(Speaks speaks) {
  return speaks == Speaks::kHttp2 ? HttpVersion::kHttp2 : HttpVersion::kHttp1;
}

}  // namespace culvert::waypoint
