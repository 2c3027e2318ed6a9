// One CONNECT of an inbound tunnel: from its header block to the end of its stream.
#pragma once

#include "culvert/base/ip.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/mesh/identity.hpp"
#include "culvert/telemetry/connection_record.hpp"
#include "culvert/tls/session.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

/// What all streams of an accepted tunnel have in common. Outlives its streams.
struct InboundTunnel {
  Worker* worker;
  LocalPod* pod;
  const tls::PeerCertificate& certificate;     // verified
  mesh::Identity peer_identity;                // as the certificate has it
  telemetry::Shared<telemetry::Party> nobody;  // of that identity, at an address of no workload's
  SocketAddress peer;                          // the tunnel's other end
  IpAddress local_ip;                          // the pod's address that it dialed
  int fd;                                      // of the connection, for measures
};

/// What is known of a client of the tunnel at `ip`: who has proved the identity, and, where the
/// mesh has a workload of that identity there, that workload.
telemetry::Shared<telemetry::Party> source_of(const InboundTunnel& tunnel, const IpAddress& ip);

/// Named phases, each with its own failure: read the target (400), authorize (401), reach the
/// application (503), answer 200, relay. Never fails: how it ended is in the access log.
io::Scope::Child serve_connect(const InboundTunnel* tunnel, h2::Stream request);

}  // namespace culvert::ztunnel
