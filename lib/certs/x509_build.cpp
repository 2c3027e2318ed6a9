// Building blocks over OpenSSL's X509.
#include "x509_build.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <string_view>

namespace culvert::certs {

tls::KeyPtr make_p256_key() {
  return tls::KeyPtr(EVP_EC_gen("P-256"));
}

bool is_p256(const EVP_PKEY* key) {
  char group[32] = {};
  std::size_t size = 0;
  return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                        &size) == 1 &&
         std::string_view(group, size) == SN_X9_62_prime256v1;
}

tls::Secret write_private_key(EVP_PKEY* key) {
  // A memory BIO wipes its memory when it grows and when it is freed (BUF_MEM_free).
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return {};
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return tls::Secret({text, static_cast<std::size_t>(size)});
}

bool add_extension(X509& certificate, X509& issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const tls::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

tls::ExtensionPtr make_uri_san(const std::string& uri) {
  const tls::NamesPtr names(GENERAL_NAMES_new());
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size()));
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  sk_GENERAL_NAME_push(names.get(), name);
  return tls::ExtensionPtr(X509V3_EXT_i2d(NID_subject_alt_name, 1, names.get()));
}

bool set_random_serial(X509& certificate) {
  const tls::OpensslPtr<BIGNUM, BN_free> serial(BN_new());
  return serial && BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool set_validity(X509& certificate, std::chrono::system_clock::time_point not_before,
                  std::chrono::system_clock::time_point not_after) {
  using std::chrono::system_clock;
  return ASN1_TIME_set(X509_getm_notBefore(&certificate), system_clock::to_time_t(not_before)) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(&certificate), system_clock::to_time_t(not_after)) !=
             nullptr;
}

}  // namespace culvert::certs
