// What all streams of a tunnel that arrived have in common, and one CONNECT of it.
#pragma once

#include "culvert/base/ip.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/mesh/identity.hpp"
#include "culvert/tls/session.hpp"

namespace culvert::waypoint {

class Worker;

/// Outlives its streams.
struct ArrivedTunnel {
  Worker* worker;
  const tls::PeerCertificate& certificate;  // verified
  mesh::Identity peer_identity;             // as the certificate has it
  SocketAddress peer;                       // the tunnel's other end
  int fd;                                   // of the connection, for measures
};

/// Named phases, each with its own failure: read the target (400), authorize (401), learn the
/// protocol, and serve. Never fails: how it ended is in the access log.
io::Scope::Child serve_connect(const ArrivedTunnel* tunnel, h2::Stream request);

}  // namespace culvert::waypoint
