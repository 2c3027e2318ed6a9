// Context: builds the SSL_CTX of a workload once, with every setting that HBONE fixes.
#include "culvert/tls/context.hpp"

#include <openssl/err.h>

#include <string>
#include <string_view>

#include "context_impl.hpp"
#include "culvert/tls/spiffe_id.hpp"
#include "peer_check.hpp"
#include "pem.hpp"
#include "secret_log.hpp"

namespace culvert::tls {
namespace {

constexpr char kCipherSuites[] = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr std::string_view kAlpnWire("\x02h2", 3);  // RFC 7301 section 3.1
const unsigned char* alpn_bytes() {
  return reinterpret_cast<const unsigned char*>(kAlpnWire.data());
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned int in_size, void*) {
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, alpn_bytes(), kAlpnWire.size(), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// select_alpn is only asked when the client offers ALPN; a client that does not is refused here.
int require_alpn(SSL* ssl, int* alert, void*) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes,
                                &size) == 1) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

bool set_protocol(SSL_CTX* ctx, Role role) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(ctx, 0);
  SSL_CTX_set_max_cert_list(ctx, kMaxPeerChainBytes);
  if (role == Role::kServer) {
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, nullptr);
    SSL_CTX_set_client_hello_cb(ctx, require_alpn, nullptr);
  } else if (SSL_CTX_set_alpn_protos(ctx, alpn_bytes(), kAlpnWire.size()) != 0) {
    return false;  // unlike its neighbors, this call returns 0 for success
  }
  return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(ctx, kCipherSuites) == 1 &&
         SSL_CTX_set1_groups_list(ctx, kGroups) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1;
}

// Trusts the roots; returns what names this trust (Context::Impl::trust).
Result<Digest> set_roots(SSL_CTX* ctx, Role role, std::string_view pem) {
  auto roots = read_certificates(pem);
  if (!roots) return std::unexpected(roots.error());
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  std::string named(1, role == Role::kClient ? 'c' : 's');
  for (const auto& root : *roots) {
    Digest digest{};
    if (X509_STORE_add_cert(store, root.get()) != 1 ||
        X509_digest(root.get(), EVP_sha256(), digest.data(), nullptr) != 1) {
      return fail(ErrorCode::kTls, "adding a trusted root");
    }
    named.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  SSL_CTX_set_verify_depth(ctx, kMaxChainDepth);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, verify_peer, nullptr);
  Digest trust{};
  if (EVP_Digest(named.data(), named.size(), trust.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    return fail(ErrorCode::kTls, "hashing the trusted roots");
  }
  return trust;
}

// Loads chain and key; returns the leaf, which the SSL_CTX keeps alive.
Result<X509*> set_certificate(SSL_CTX* ctx, const Credentials& credentials) {
  auto chain = read_certificates(credentials.certificate_chain);
  if (!chain) return std::unexpected(chain.error());
  const auto key = read_private_key(credentials.private_key);
  if (!key) return std::unexpected(key.error());
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kInvalid, "the private key is not the leaf certificate's");
  }
  if (SSL_CTX_use_certificate(ctx, chain->front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, key->get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kTls, "OpenSSL refused our certificate or key");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    X509* const certificate = (*chain)[i].get();
    // A root adds nothing: the peer has it or does not trust it.
    if ((X509_get_extension_flags(certificate) & EXFLAG_SS) != 0) continue;
    if (SSL_CTX_add1_chain_cert(ctx, certificate) != 1) {
      ERR_clear_error();
      return fail(ErrorCode::kTls, "OpenSSL refused an intermediate certificate");
    }
  }
  return chain->front().get();
}

}  // namespace

Result<Context> Context::create(Role role, const Credentials& credentials, Records records) {
  auto impl = std::make_shared<Impl>();
  impl->role = role;
  impl->records = records;
  impl->ssl_ctx.reset(
      SSL_CTX_new(role == Role::kClient ? TLS_client_method() : TLS_server_method()));
  SSL_CTX* const ctx = impl->ssl_ctx.get();
  if (ctx == nullptr || !set_protocol(ctx, role)) {
    ERR_clear_error();
    return fail(ErrorCode::kTls, "OpenSSL refused the TLS settings");
  }
  if (records == Records::kOwn) log_secrets(*ctx);
  const auto trust = set_roots(ctx, role, credentials.trusted_roots);
  if (!trust) return std::unexpected(trust.error());
  impl->trust = *trust;
  const auto leaf = set_certificate(ctx, credentials);
  if (!leaf) return std::unexpected(leaf.error());
  auto identity = spiffe_san(**leaf);
  if (!identity) return fail(ErrorCode::kInvalid, identity.error().text);
  impl->trust_domain = SpiffeId::parse(*identity)->trust_domain;
  impl->identity = std::move(*identity);
  impl->not_after = to_time_point(X509_get0_notAfter(*leaf));
  return Context(std::move(impl));
}

Role Context::role() const {
  return impl_->role;
}
const std::string& Context::identity() const {
  return impl_->identity;
}
const std::string& Context::trust_domain() const {
  return impl_->trust_domain;
}
std::chrono::system_clock::time_point Context::not_after() const {
  return impl_->not_after;
}

}  // namespace culvert::tls
