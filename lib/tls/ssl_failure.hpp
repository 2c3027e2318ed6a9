// OpenSSL's error queue as an Error with a static text.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "culvert/base/error.hpp"
#include "openssl_ptr.hpp"

namespace culvert::tls {

/// Takes what the failed call left in this thread's error queue (and clears it). `ssl_error` is
/// what SSL_get_error(3) said. An alert of the peer is named as such.
Error take_ssl_failure(int ssl_error, Origin peer_origin);

/// Moves all that OpenSSL wants to send from its memory BIO to the end of `out`.
void drain_output(SSL& ssl, std::string& out);
/// Gives `bytes` to OpenSSL's reading memory BIO. False when memory ran out.
bool add_input(SSL& ssl, std::span<const std::byte> bytes);
/// Takes what OpenSSL has not read from that BIO.
std::string take_unread(SSL& ssl);

}  // namespace culvert::tls
