// The steps that making any certificate or request shares; private to lib/certs.
#pragma once

#include <chrono>
#include <string>

#include "culvert/tls/secret.hpp"
#include "openssl_ptr.hpp"

namespace culvert::certs {

tls::KeyPtr make_p256_key();
bool is_p256(const EVP_PKEY* key);
/// PKCS8, not encrypted. Empty when OpenSSL failed.
tls::Secret write_private_key(EVP_PKEY* key);
/// An extension by OpenSSL's configuration syntax; only for values that are ours (constants).
bool add_extension(X509& certificate, X509& issuer, int nid, const char* value);
/// A critical SAN with one URI, built as a value: nothing in `uri` is interpreted.
tls::ExtensionPtr make_uri_san(const std::string& uri);
/// 127 random bits, never zero (RFC 5280 section 4.1.2.2).
bool set_random_serial(X509& certificate);
bool set_validity(X509& certificate, std::chrono::system_clock::time_point not_before,
                  std::chrono::system_clock::time_point not_after);

}  // namespace culvert::certs
