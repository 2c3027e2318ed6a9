// PEM texts to OpenSSL objects and back, and what a certificate says of its workload. Used by
// lib/tls and lib/certs. Pure; any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"
#include "openssl_ptr.hpp"

namespace culvert::tls {

/// All certificates in `pem`, in order; at least one and at most kMaxPemCertificates, nothing else
/// between them but text that PEM ignores. kInvalid otherwise.
inline constexpr std::size_t kMaxPemCertificates = 256;
Result<std::vector<X509Ptr>> read_certificates(std::string_view pem);
/// An unencrypted private key; never asks for a pass phrase.
Result<KeyPtr> read_private_key(std::string_view pem);
std::string write_certificate(X509& certificate);

/// The only URI SAN of the certificate, which is its only SAN and a SPIFFE id. kIdentity otherwise,
/// with the rule that is broken.
Result<std::string> spiffe_san(const X509& certificate);
/// The same rules over names already read from a certificate or a signing request; null = none.
Result<std::string> spiffe_san(const GENERAL_NAMES* names);

std::chrono::system_clock::time_point to_time_point(const ASN1_TIME* time);

}  // namespace culvert::tls
