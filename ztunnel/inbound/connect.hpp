// One CONNECT of an inbound tunnel: from its header block to the end of its stream.
#pragma once

#include <array>
#include <cstdint>

#include "culvert/base/ip.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/task.hpp"
#include "culvert/mesh/identity.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

/// What all streams of an accepted tunnel have in common. Outlives its streams.
struct InboundTunnel {
  Worker* worker;
  LocalPod* pod;
  mesh::Identity peer_identity;                     // verified
  SocketAddress peer;                               // the tunnel's other end
  IpAddress local_ip;                               // the pod's address that it dialed
  std::array<std::uint8_t, 32> peer_certificate{};  // SHA-256 of its leaf
};

/// Named phases, each with its own failure: read the target (400), authorize (401), reach the
/// application (503), answer 200, relay. Never fails: how it ended is in the access log.
io::Task<> serve_connect(const InboundTunnel* tunnel, h2::Stream request);

}  // namespace culvert::ztunnel
