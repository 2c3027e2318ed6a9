// The peer's certificate, judged once a handshake.
#include "peer_check.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>

#include "certificate_id.hpp"
#include "culvert/tls/spiffe_id.hpp"
#include "pem.hpp"

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

Result<PeerCertificate> check_leaf(X509* leaf, const Expected& expected) {
  if ((X509_get_extension_flags(leaf) & EXFLAG_CA) != 0) {
    return fail(ErrorCode::kIdentity, "the peer's certificate is a CA's, not a workload's");
  }
  auto identity = spiffe_san(*leaf);
  if (!identity) return std::unexpected(identity.error());
  PeerCertificate peer;
  peer.trust_domain = SpiffeId::parse(*identity)->trust_domain;
  peer.identity = std::move(*identity);
  if (!expected.trust_domain.empty() && peer.trust_domain != expected.trust_domain) {
    return fail(ErrorCode::kIdentity, "the peer's trust domain is not the expected one");
  }
  if (!expected.identities.empty() &&
      std::ranges::find(expected.identities, peer.identity) == expected.identities.end()) {
    return fail(ErrorCode::kIdentity, "the peer's identity is not an expected one");
  }
  unsigned int size = 0;
  if (X509_digest(leaf, EVP_sha256(), peer.sha256.data(), &size) != 1 ||
      size != peer.sha256.size()) {
    return fail(ErrorCode::kTls, "hashing the peer's certificate");
  }
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

}  // namespace

Result<void> check_revoked(std::span<const CertificateId> chain, const RevocationListPtr& revoked,
                           Origin peer_origin) {
  if (!revoked || !revoked->contains_any(chain)) return {};
  return fail(ErrorCode::kTls, "the peer's certificate, or one above it, is revoked", peer_origin,
              EKEYREVOKED);
}

bool check_peer(X509_STORE_CTX& store, PeerCheck& check) {
  const bool chain_holds = X509_verify_cert(&store) == 1;
  ERR_clear_error();
  if (!chain_holds) {
    check.error = Error{ErrorCode::kTls, check.peer_origin, 0,
                        chain_error_text(X509_STORE_CTX_get_error(&store))};
    return false;
  }
  auto peer = check_leaf(X509_STORE_CTX_get0_cert(&store), check.expected);
  if (!peer) {
    check.error = peer.error();
    check.error->origin = check.peer_origin;
    X509_STORE_CTX_set_error(&store, X509_V_ERR_CERT_REJECTED);  // alert bad_certificate
    return false;
  }
  auto chain = ids_of(store);
  const auto current = chain ? check_revoked(*chain, check.expected.revoked, check.peer_origin)
                             : std::unexpected(chain.error());
  if (!current) {
    check.error = current.error();
    X509_STORE_CTX_set_error(&store, X509_V_ERR_CERT_REVOKED);  // alert certificate_revoked
    return false;
  }
  check.peer = std::move(*peer);
  check.peer.chain = std::move(*chain);
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
