#include "culvert/certs/describe.hpp"

#include <openssl/bn.h>

#include "pem.hpp"

namespace culvert::certs {
namespace {

std::string serial_of(X509& certificate) {
  const tls::OpensslPtr<BIGNUM, BN_free> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr));
  if (number == nullptr) return "";
  const std::unique_ptr<char, tls::OpensslFree<tls::free_openssl_bytes>> text(
      BN_bn2dec(number.get()));
  return text == nullptr ? "" : text.get();
}

}  // namespace

Result<std::vector<CertificateSummary>> describe(std::string_view pem) {
  const auto certificates = tls::read_certificates(pem);
  if (!certificates) return std::unexpected(certificates.error());
  std::vector<CertificateSummary> out;
  for (const auto& one : *certificates) {
    out.push_back({tls::write_certificate(*one), serial_of(*one),
                   tls::to_time_point(X509_get0_notBefore(one.get())),
                   tls::to_time_point(X509_get0_notAfter(one.get()))});
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a zero
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace culvert::certs
