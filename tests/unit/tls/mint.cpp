#include "mint.hpp"

#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <initializer_list>

#include "openssl_ptr.hpp"
#include "pem.hpp"

namespace culvert::test {

struct MintedKey {
  tls::KeyPtr key;
  tls::X509Ptr certificate;
};

namespace {

void require(bool good) {
  if (!good) std::abort();
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const tls::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension != nullptr);
  X509_add_ext(certificate, extension.get(), -1);
}

std::string key_pem(EVP_PKEY* key) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Minted mint(const MintOptions& options, const Minted* issuer) {
  Minted out;
  out.handle = std::make_shared<MintedKey>();
  auto& [key, certificate] = *out.handle;
  key.reset(options.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
  certificate.reset(X509_new());
  X509* const x = certificate.get();
  X509* const issuer_x = issuer == nullptr ? x : issuer->handle->certificate.get();
  X509_set_version(x, X509_VERSION_3);
  unsigned long serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial | 1);
  X509_gmtime_adj(X509_getm_notBefore(x), options.not_before_seconds);
  X509_gmtime_adj(X509_getm_notAfter(x), options.not_after_seconds);
  X509_set_pubkey(x, key.get());
  if (!options.subject.empty()) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(options.subject.c_str()), -1,
                               -1, 0);
  }
  X509_set_issuer_name(x, X509_get_subject_name(issuer_x));
  add_extension(x, issuer_x, NID_basic_constraints, options.ca ? "critical,CA:TRUE" : "CA:FALSE");
  add_extension(
      x, issuer_x, NID_key_usage,
      options.ca ? "critical,keyCertSign,cRLSign,digitalSignature" : "critical,digitalSignature");
  if (!options.usage.empty()) add_extension(x, issuer_x, NID_ext_key_usage, options.usage);
  std::string sans;
  for (const auto& san : options.sans) sans += (sans.empty() ? "" : ",") + san;
  if (!sans.empty()) add_extension(x, issuer_x, NID_subject_alt_name, "critical," + sans);
  require(X509_sign(x, issuer == nullptr ? key.get() : issuer->handle->key.get(), EVP_sha256()) >
          0);
  out.certificate = tls::write_certificate(*x);
  out.private_key = key_pem(key.get());
  return out;
}

Minted mint_root(const std::string& name) {
  return mint({.ca = true, .usage = "", .subject = name}, nullptr);
}

Minted mint_workload(const Minted& issuer, const std::string& uri) {
  return mint({.sans = {"URI:" + uri}}, &issuer);
}

std::string mint_crl(const Minted& issuer, const std::vector<const Minted*>& revoked,
                     const CrlOptions& options) {
  const tls::OpensslPtr<X509_CRL, X509_CRL_free> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.handle->certificate.get()));
  const tls::OpensslPtr<ASN1_TIME, ASN1_STRING_free> issued(
      X509_gmtime_adj(nullptr, options.issued_seconds));
  const tls::OpensslPtr<ASN1_TIME, ASN1_STRING_free> next(
      X509_gmtime_adj(nullptr, options.next_seconds));
  X509_CRL_set1_lastUpdate(crl.get(), issued.get());
  X509_CRL_set1_nextUpdate(crl.get(), next.get());
  for (const Minted* one : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->handle->certificate.get()));
    X509_REVOKED_set_revocationDate(entry, issued.get());
    require(X509_CRL_add0_revoked(crl.get(), entry) == 1);
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer.handle->certificate.get(), nullptr, nullptr, crl.get(), 0);
  const auto extend = [&](int nid, const char* value) {
    const tls::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    require(extension != nullptr && X509_CRL_add_ext(crl.get(), extension.get(), -1) == 1);
  };
  if (options.delta) {
    const tls::OpensslPtr<ASN1_INTEGER, ASN1_INTEGER_free> base(ASN1_INTEGER_new());
    ASN1_INTEGER_set_uint64(base.get(), 7);
    require(X509_CRL_add1_ext_i2d(crl.get(), NID_delta_crl, base.get(), 1, 0) == 1);
  }
  if (options.partial) extend(NID_issuing_distribution_point, "critical,onlyuser:TRUE");
  require(X509_CRL_sign(crl.get(), issuer.handle->key.get(), EVP_sha256()) > 0);
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), crl.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace culvert::test
