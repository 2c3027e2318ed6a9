// The peer's certificate, judged once a handshake.
#include "peer_check.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>

#include "certificate_id.hpp"
#include "culvert/tls/spiffe_id.hpp"
#include "pem.hpp"
#include "verified_peers.hpp"

namespace culvert::tls {
namespace {

const char* chain_error_text(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the peer's certificate chain has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the peer's certificate chain is not yet valid";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "the peer's certificate does not lead to a trusted root";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "a signature in the peer's certificate chain is wrong";
    case X509_V_ERR_INVALID_PURPOSE:
      return "the peer's certificate is not for this use";
    case X509_V_ERR_INVALID_CA:
      return "an issuer in the peer's certificate chain is not a CA";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return "the peer's certificate chain is too long";
    default:
      return "the peer's certificate chain was refused";
  }
}

Result<Digest> digest_of(X509* leaf) {
  Digest digest{};
  unsigned int size = 0;
  if (X509_digest(leaf, EVP_sha256(), digest.data(), &size) != 1 || size != digest.size()) {
    return fail(ErrorCode::kTls, "hashing the peer's certificate");
  }
  return digest;
}

// What a leaf says of its workload, whoever asks.
Result<PeerCertificate> read_leaf(X509* leaf, const Digest& digest) {
  if ((X509_get_extension_flags(leaf) & EXFLAG_CA) != 0) {
    return fail(ErrorCode::kIdentity, "the peer's certificate is a CA's, not a workload's");
  }
  auto identity = spiffe_san(*leaf);
  if (!identity) return std::unexpected(identity.error());
  PeerCertificate peer;
  peer.trust_domain = SpiffeId::parse(*identity)->trust_domain;
  peer.identity = std::move(*identity);
  peer.sha256 = digest;
  peer.not_after = to_time_point(X509_get0_notAfter(leaf));
  return peer;
}

// The verified chain without its root, which nobody but its owner can take back.
Result<std::vector<CertificateId>> ids_of(X509_STORE_CTX& store) {
  std::vector<CertificateId> out;
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(&store);
  const int leaf_and_intermediates = std::max(1, sk_X509_num(chain) - 1);
  for (int i = 0; i < leaf_and_intermediates; ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    const auto id =
        certificate_id(*X509_get_issuer_name(certificate), *X509_get0_serialNumber(certificate));
    if (!id) return std::unexpected(id.error());
    out.push_back(*id);
  }
  return out;
}

Result<VerifiedPeer> verify(X509_STORE_CTX& store, const Digest& digest) {
  const bool chain_holds = X509_verify_cert(&store) == 1;
  ERR_clear_error();
  if (!chain_holds) {
    return fail(ErrorCode::kTls, chain_error_text(X509_STORE_CTX_get_error(&store)));
  }
  auto peer = read_leaf(X509_STORE_CTX_get0_cert(&store), digest);
  if (!peer) return std::unexpected(peer.error());
  auto ids = ids_of(store);
  if (!ids) return std::unexpected(ids.error());
  peer->chain = std::move(*ids);
  VerifiedPeer verified{std::move(*peer), VerifiedPeers::TimePoint::min(),
                        VerifiedPeers::TimePoint::max()};
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(&store);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const X509* const certificate = sk_X509_value(chain, i);
    verified.not_before =
        std::max(verified.not_before, to_time_point(X509_get0_notBefore(certificate)));
    verified.not_after =
        std::min(verified.not_after, to_time_point(X509_get0_notAfter(certificate)));
  }
  return verified;
}

// From the cache, or verified now and kept there.
Result<VerifiedPeer> find_or_verify(X509_STORE_CTX& store, const PeerCheck& check) {
  const auto digest = digest_of(X509_STORE_CTX_get0_cert(&store));
  if (!digest) return std::unexpected(digest.error());
  if (check.trust == nullptr) return verify(store, *digest);
  const VerifiedPeers::Key key{*check.trust, *digest};
  auto& peers = VerifiedPeers::of_this_thread();
  if (const auto* known = peers.find(key, std::chrono::system_clock::now())) {
    X509_STORE_CTX_set_error(&store, X509_V_OK);
    return *known;
  }
  auto verified = verify(store, *digest);
  if (verified) peers.put(key, *verified);
  return verified;
}

Result<void> check_expected(const PeerCertificate& peer, const Expected& expected) {
  if (!expected.trust_domain.empty() && peer.trust_domain != expected.trust_domain) {
    return fail(ErrorCode::kIdentity, "the peer's trust domain is not the expected one");
  }
  if (!expected.identities.empty() &&
      std::ranges::find(expected.identities, peer.identity) == expected.identities.end()) {
    return fail(ErrorCode::kIdentity, "the peer's identity is not an expected one");
  }
  return {};
}

}  // namespace

Result<void> check_revoked(std::span<const CertificateId> chain, const RevocationListPtr& revoked,
                           Origin peer_origin) {
  if (!revoked || !revoked->contains_any(chain)) return {};
  return fail(ErrorCode::kTls, "the peer's certificate, or one above it, is revoked", peer_origin,
              EKEYREVOKED);
}

bool check_peer(X509_STORE_CTX& store, PeerCheck& check) {
  auto verified = find_or_verify(store, check);
  Result<void> result;
  if (!verified) {
    result = std::unexpected(verified.error());
  } else {
    result = check_expected(verified->peer, check.expected);
  }
  if (!result) {
    check.error = result.error();
    check.error->origin = check.peer_origin;
    // The chain's own error chooses its alert; where the chain holds: bad_certificate.
    if (X509_STORE_CTX_get_error(&store) == X509_V_OK) {
      X509_STORE_CTX_set_error(&store, X509_V_ERR_CERT_REJECTED);
    }
    return false;
  }
  const auto current =
      check_revoked(verified->peer.chain, check.expected.revoked, check.peer_origin);
  if (!current) {
    check.error = current.error();
    X509_STORE_CTX_set_error(&store, X509_V_ERR_CERT_REVOKED);  // alert certificate_revoked
    return false;
  }
  check.peer = std::move(verified->peer);
  return true;
}

int verify_peer(X509_STORE_CTX* store, void*) {
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const check = ssl == nullptr ? nullptr : static_cast<PeerCheck*>(SSL_get_app_data(ssl));
  if (check == nullptr) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  return check_peer(*store, *check) ? 1 : 0;
}

}  // namespace culvert::tls
