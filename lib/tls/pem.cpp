// Reading and writing PEM, and the SPIFFE name of a certificate.
#include "pem.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "culvert/tls/context.hpp"
#include "culvert/tls/spiffe_id.hpp"

namespace culvert::tls {
namespace {

// OpenSSL's default would ask on the terminal.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

Result<BioPtr> reader(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) return fail(ErrorCode::kLimit, "PEM text over 1 MiB");
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

}  // namespace

Result<std::vector<X509Ptr>> read_certificates(std::string_view pem) {
  auto bio = reader(pem);
  if (!bio) return std::unexpected(bio.error());
  std::vector<X509Ptr> certificates;
  ERR_clear_error();
  while (X509Ptr certificate{PEM_read_bio_X509(bio->get(), nullptr, no_passphrase, nullptr)}) {
    if (certificates.size() == kMaxPemCertificates) {
      return fail(ErrorCode::kLimit, "PEM text with over 256 certificates");
    }
    certificates.push_back(std::move(certificate));
  }
  // The end of the text is an error "no start line"; any other is a broken certificate.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!ended) return fail(ErrorCode::kInvalid, "PEM text with a malformed certificate");
  if (certificates.empty()) return fail(ErrorCode::kInvalid, "PEM text without a certificate");
  return certificates;
}

Result<KeyPtr> read_private_key(std::string_view pem) {
  auto bio = reader(pem);
  if (!bio) return std::unexpected(bio.error());
  KeyPtr key(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key) return fail(ErrorCode::kInvalid, "no unencrypted private key in the PEM text");
  return key;
}

std::string write_certificate(X509& certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), &certificate);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Result<std::string> spiffe_san(const GENERAL_NAMES* names) {
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
  if (count == 0) return fail(ErrorCode::kIdentity, "certificate without a URI SAN");
  if (count > 1) return fail(ErrorCode::kIdentity, "certificate with more than one SAN");
  int type = 0;
  const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &type);
  if (type != GEN_URI) return fail(ErrorCode::kIdentity, "certificate whose SAN is not a URI");
  const auto* uri = static_cast<const ASN1_IA5STRING*>(value);
  const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                              static_cast<std::size_t>(ASN1_STRING_length(uri)));
  if (!SpiffeId::parse(text)) {
    return fail(ErrorCode::kIdentity, "certificate whose URI SAN is not a SPIFFE id");
  }
  return std::string(text);
}

Result<std::string> spiffe_san(const X509& certificate) {
  int critical = 0;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, &critical, nullptr)));
  ERR_clear_error();
  // -1: no such extension; -2: several; otherwise null means that it does not parse.
  if (!names && critical != -1) return fail(ErrorCode::kIdentity, "certificate with a broken SAN");
  return spiffe_san(names.get());
}

std::chrono::system_clock::time_point to_time_point(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

}  // namespace culvert::tls
