// Judges the peer's certificate during the handshake: chain, validity, SPIFFE name, expectation.
#pragma once

#include <optional>

#include "culvert/tls/session.hpp"
#include "openssl_ptr.hpp"
#include "verified_peers.hpp"

namespace culvert::tls {

/// What one handshake expects and what the check found; reached from the SSL by its app data.
struct PeerCheck {
  Expected expected;
  Origin peer_origin = Origin::kUpstream;
  /// Names the roots and the role for the cache of verified peers; nullptr: nothing is cached.
  const Digest* trust = nullptr;
  std::optional<Error> error;  // why the peer was refused
  PeerCertificate peer;        // filled when it was accepted
};

/// Chain and validity by X509_verify_cert (trusted roots only, purpose TLS client or server), then
/// the leaf: not a CA, one SPIFFE URI SAN; both only if this thread has not verified the same leaf
/// under the same trust before (verified_peers.hpp). Then `check.expected`. Returns whether it is
/// accepted; the X509 error that is left in `store` chooses the alert.
bool check_peer(X509_STORE_CTX& store, PeerCheck& check);

/// SSL_CTX_set_cert_verify_callback(3): check_peer on the SSL's app data.
int verify_peer(X509_STORE_CTX* store, void*);

}  // namespace culvert::tls
