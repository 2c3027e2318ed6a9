// What the connections of the data plane ask of their sockets. System calls that do not wait; any
// thread.
#pragma once

#include "culvert/base/error.hpp"
#include "culvert/base/ip.hpp"

namespace culvert::proxy {

/// TCP_NODELAY.
void send_at_once(int fd);
/// Keep-alive (180 s, 9 probes 180 s apart: Istio's), for sockets whose peer is on the network. Of
/// one in the same pod the kernel itself says when it is gone.
void keep_alive(int fd);
/// So that close() sends RST: the peer must be able to tell a cut from an end.
void reset_on_close(int fd);
/// After an end of stream, with our own direction still open: whether it was a reset whose error
/// another call was told of. A FIN leaves the socket in CLOSE_WAIT (TCP_INFO, tcp(7)), and a reset
/// that came after the FIN leaves EPIPE (tcp_reset() in Linux): that is an end.
bool ended_by_reset(int fd);
/// The local address of a connected socket; for a steered connection its original destination.
Result<SocketAddress> local_address(int fd);

}  // namespace culvert::proxy
