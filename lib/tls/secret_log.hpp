// Takes the traffic secrets of a handshake from OpenSSL's key log, which is the only interface of
// OpenSSL 3.0 that gives them. Nothing of it is ever written anywhere.
#pragma once

#include <openssl/ssl.h>

#include "own_record_layer.hpp"

namespace culvert::tls {

/// Every handshake of `ctx` that log_secrets_of() was called for tells its secrets.
void log_secrets(SSL_CTX& ctx);
/// `secrets`, which outlives the handshake or is taken back with nullptr, gets `ours` and `theirs`.
void log_secrets_of(SSL& ssl, RecordSecrets* secrets);

/// A line of the key log: "LABEL CLIENT_RANDOM SECRET", the last two in hexadecimal (SSLKEYLOGFILE
/// format). Other labels than the two of application traffic, and lines that are malformed, have no
/// effect.
void take_secret(std::string_view line, bool server, RecordSecrets& secrets);

}  // namespace culvert::tls
