// Making and judging PKCS #10 requests (RFC 2986).
#include "culvert/certs/signing_request.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "culvert/tls/spiffe_id.hpp"
#include "pem.hpp"
#include "read_request.hpp"
#include "x509_build.hpp"

namespace culvert::certs {
namespace {

void free_extensions(STACK_OF(X509_EXTENSION) * extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
using ExtensionsPtr = tls::OpensslPtr<STACK_OF(X509_EXTENSION), free_extensions>;

bool fill(X509_REQ& request, EVP_PKEY& key, const std::string& identity) {
  const ExtensionsPtr extensions(sk_X509_EXTENSION_new_null());
  auto san = make_uri_san(identity);
  if (!extensions || !san) return false;
  sk_X509_EXTENSION_push(extensions.get(), san.release());
  return X509_REQ_set_version(&request, X509_REQ_VERSION_1) == 1 &&
         X509_REQ_set_pubkey(&request, &key) == 1 &&
         X509_REQ_add_extensions(&request, extensions.get()) == 1 &&
         X509_REQ_sign(&request, &key, EVP_sha256()) > 0;
}

}  // namespace

Result<KeyAndRequest> make_signing_request(std::string_view identity) {
  const auto id = tls::WorkloadId::parse(identity);
  if (!id) return std::unexpected(id.error());
  const auto key = make_p256_key();
  const tls::X509ReqPtr request(X509_REQ_new());
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  KeyAndRequest out;
  if (key) out.private_key = write_private_key(key.get());
  if (out.private_key.empty() || !request || !bio || !fill(*request, *key, std::string(identity)) ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kTls, "making a key and a signing request");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  out.request.assign(text, static_cast<std::size_t>(size));
  return out;
}

Result<tls::X509ReqPtr> read_request(std::string_view request_pem) {
  if (request_pem.size() > kMaxRequestPemBytes) {
    return fail(ErrorCode::kLimit, "signing request over 16 KiB", Origin::kClient);
  }
  const tls::BioPtr bio(BIO_new_mem_buf(request_pem.data(), static_cast<int>(request_pem.size())));
  tls::X509ReqPtr request(
      PEM_read_bio_X509_REQ(bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr));
  ERR_clear_error();
  if (!request) {
    return fail(ErrorCode::kInvalid, "signing request is not a PEM text", Origin::kClient);
  }
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  if (!is_p256(key)) {
    ERR_clear_error();
    return fail(ErrorCode::kInvalid, "signing request whose key is not ECDSA P-256",
                Origin::kClient);
  }
  const bool proven = X509_REQ_verify(request.get(), key) == 1;
  ERR_clear_error();
  if (!proven) {
    return fail(ErrorCode::kInvalid, "signing request without proof of its key", Origin::kClient);
  }
  return request;
}

Result<RequestFacts> check_signing_request(std::string_view request_pem) {
  const auto request = read_request(request_pem);
  if (!request) return std::unexpected(request.error());
  RequestFacts facts;
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request->get()));
  if (!extensions) return facts;
  const tls::NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  facts.requested_identity = tls::spiffe_san(names.get()).value_or("");
  return facts;
}

}  // namespace culvert::certs
