// Certificates and signing requests of strangers. Signatures would stop every mutation at the gate,
// so the names are fuzzed inside certificates that are signed with keys made here. Input: a byte
// that chooses the kind, then the bytes of it.
#include <openssl/err.h>

#include <algorithm>
#include <string>

#include "culvert/certs/signing_request.hpp"
#include "culvert/tls/spiffe_id.hpp"
#include "peer_check.hpp"
#include "pem.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

constexpr std::uint8_t kIsCa = 0x80;  // of the kind byte: the leaf says that it is a CA

struct Authority {
  tls::KeyPtr key{EVP_EC_gen("P-256")};
  tls::X509Ptr certificate{X509_new()};
  tls::X509StorePtr trusted{X509_STORE_new()};
};

void add_extension(X509& certificate, X509& issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const tls::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  require(extension != nullptr && X509_add_ext(&certificate, extension.get(), -1) == 1,
          "an extension of ours is made");
}

void fill(X509& certificate, X509& issuer, EVP_PKEY& key, long serial) {
  X509_set_version(&certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(&certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(&certificate), -120);
  X509_gmtime_adj(X509_getm_notAfter(&certificate), 3600);
  X509_set_pubkey(&certificate, &key);
  X509_set_issuer_name(&certificate, X509_get_subject_name(&issuer));
}

const Authority& authority() {
  static const Authority one = [] {
    Authority out;
    X509& root = *out.certificate;
    const auto* name = reinterpret_cast<const unsigned char*>("root");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(&root), "CN", MBSTRING_ASC, name, -1, -1, 0);
    fill(root, root, *out.key, 1);
    add_extension(root, root, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(&root, out.key.get(), EVP_sha256());
    X509_STORE_add_cert(out.trusted.get(), &root);
    return out;
  }();
  return one;
}

tls::ExtensionPtr san_of(std::span<const std::uint8_t> der) {
  const tls::OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(value.get(), der.data(), static_cast<int>(der.size()));
  return tls::ExtensionPtr(
      X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 1, value.get()));
}

// As a peer would send it: from its encoding.
tls::X509Ptr leaf_with(std::span<const std::uint8_t> san_der, bool ca) {
  const auto& issuer = authority();
  const tls::X509Ptr leaf(X509_new());
  fill(*leaf, *issuer.certificate, *issuer.key, 2);
  add_extension(*leaf, *issuer.certificate, NID_basic_constraints, ca ? "CA:TRUE" : "CA:FALSE");
  X509_add_ext(leaf.get(), san_of(san_der).get(), -1);
  X509_sign(leaf.get(), issuer.key.get(), EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509(leaf.get(), &der);
  const tls::BytesPtr owner(der);
  const unsigned char* at = der;
  return tls::X509Ptr(d2i_X509(nullptr, &at, size));
}

// The only name of the extension, read by nobody's rules but DER's; empty when it is not one URI.
std::string only_uri(std::span<const std::uint8_t> san_der) {
  const unsigned char* at = san_der.data();
  const tls::NamesPtr names(d2i_GENERAL_NAMES(nullptr, &at, static_cast<long>(san_der.size())));
  ERR_clear_error();
  if (!names || sk_GENERAL_NAME_num(names.get()) != 1) return {};
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
  if (name->type != GEN_URI) return {};
  const auto* text = ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
  const int size = ASN1_STRING_length(name->d.uniformResourceIdentifier);
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)};
}

void check_peer_with(std::span<const std::uint8_t> san_der, bool ca) {
  const auto leaf = leaf_with(san_der, ca);
  if (!leaf) return ERR_clear_error();
  const tls::X509StoreCtxPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), authority().trusted.get(), leaf.get(), nullptr);
  tls::PeerCheck check{.expected = {.identities = {}, .trust_domain = "cluster.local"},
                       .peer_origin = Origin::kClient,
                       .error = {},
                       .peer = {}};
  const bool accepted = tls::check_peer(*context, check);
  require(accepted != check.error.has_value(), "who is refused is told why");
  require(ERR_peek_error() == 0, "no error of OpenSSL is left for the next connection");
  if (!accepted) return;
  require(!ca, "no CA's certificate is a workload's");
  require(check.peer.trust_domain == "cluster.local", "only the expected trust domain is let in");
  require(check.peer.identity == only_uri(san_der), "the identity is the certificate's only name");
  require(tls::SpiffeId::parse(check.peer.identity).has_value(), "the identity is a SPIFFE id");
}

std::string pem_of(X509_REQ& request) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), &request);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

void check_request_with(std::span<const std::uint8_t> san_der) {
  const tls::X509ReqPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), authority().key.get());
  STACK_OF(X509_EXTENSION)* list = sk_X509_EXTENSION_new_null();
  sk_X509_EXTENSION_push(list, san_of(san_der).release());
  X509_REQ_add_extensions(request.get(), list);
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
  X509_REQ_sign(request.get(), authority().key.get(), EVP_sha256());
  const auto facts = certs::check_signing_request(pem_of(*request));
  require(ERR_peek_error() == 0, "no error of OpenSSL is left for the next request");
  if (!facts || facts->requested_identity.empty()) return;
  require(facts->requested_identity == only_uri(san_der), "a request asks for its only name");
}

void check_pem(std::string_view text) {
  const auto certificates = tls::read_certificates(text);
  require(ERR_peek_error() == 0, "no error of OpenSSL is left for the next reader");
  if (!certificates) return;
  require(!certificates->empty() && certificates->size() <= tls::kMaxPemCertificates,
          "a chain is bounded");
  std::string written;
  for (const auto& one : *certificates) {
    written += tls::write_certificate(*one);
    if (const auto san = tls::spiffe_san(*one)) {
      require(tls::SpiffeId::parse(*san).has_value(), "the name is a SPIFFE id");
    }
  }
  const auto again = tls::read_certificates(written);
  require(again && again->size() == certificates->size(), "what was written is read as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  const auto kind = fuzz::take_byte(input);
  if ((kind & 3) == 0) check_peer_with(input, (kind & kIsCa) != 0);
  if ((kind & 3) == 1) check_request_with(input);
  if ((kind & 3) == 2) check_pem(fuzz::text_of(input));
  if ((kind & 3) == 3) (void)certs::check_signing_request(fuzz::text_of(input));
  return 0;
}
