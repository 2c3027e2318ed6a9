// The TLS side of a tunnel that arrives.
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

}  // namespace culvert::proxy
