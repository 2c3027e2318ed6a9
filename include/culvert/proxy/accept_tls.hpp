// A tunnel that arrives: its TLS side, and what is said of its end.
#pragma once

#include <memory>
#include <string>

#include "culvert/base/fd.hpp"
#include "culvert/proxy/tunnel_pool.hpp"
#include "culvert/tls/stream.hpp"

namespace culvert::proxy {

/// The TLS session of an accepted tunnel to `identity`, handshake done; or why there is none.
/// `owner` outlives it. Waits for the certificate if need be.
io::Task<Result<std::unique_ptr<tls::Stream>>> accept_tls(TunnelOwner* owner, std::string identity,
                                                          UniqueFd fd);

/// Says how a tunnel that arrived has failed: a peer that floods or breaks the protocol is named,
/// what networks do every day is not.
void log_tunnel_end(const mesh::Identity& peer, const SocketAddress& from, const Error& why);

}  // namespace culvert::proxy
