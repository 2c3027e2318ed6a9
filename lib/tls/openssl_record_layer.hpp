// The record layer that is OpenSSL's own: SSL_read and SSL_write over memory BIOs.
#pragma once

#include <memory>

#include "culvert/tls/record_layer.hpp"
#include "openssl_ptr.hpp"

namespace culvert::tls {

/// Takes over a connection whose handshake is done. Bytes already in its reading BIO belong to the
/// first open(), which may be called with none.
std::unique_ptr<RecordLayer> make_openssl_record_layer(SslPtr ssl, Origin peer_origin);

}  // namespace culvert::tls
