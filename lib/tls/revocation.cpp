// The sorted list of revoked certificates, and how they are named in it.
#include "culvert/tls/revocation.hpp"

#include <algorithm>

#include "certificate_id.hpp"

namespace culvert::tls {

RevocationList::RevocationList(std::vector<CertificateId> revoked) : revoked_(std::move(revoked)) {
  std::ranges::sort(revoked_);
}

bool RevocationList::contains(const CertificateId& certificate) const {
  return std::ranges::binary_search(revoked_, certificate);
}

bool RevocationList::contains_any(std::span<const CertificateId> chain) const {
  return std::ranges::any_of(chain, [this](const auto& id) { return contains(id); });
}

Result<CertificateId> certificate_id(const X509_NAME& issuer, const ASN1_INTEGER& serial) {
  unsigned char* name_bytes = nullptr;
  unsigned char* serial_bytes = nullptr;
  const int name_size = i2d_X509_NAME(&issuer, &name_bytes);
  const BytesPtr name(name_bytes);
  const int serial_size = i2d_ASN1_INTEGER(&serial, &serial_bytes);
  const BytesPtr number(serial_bytes);
  const OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free> hash(EVP_MD_CTX_new());
  CertificateId out{};
  const bool made =
      name_size > 0 && serial_size > 0 && hash &&
      EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1 &&
      EVP_DigestUpdate(hash.get(), name.get(), static_cast<std::size_t>(name_size)) == 1 &&
      EVP_DigestUpdate(hash.get(), number.get(), static_cast<std::size_t>(serial_size)) == 1 &&
      EVP_DigestFinal_ex(hash.get(), out.data(), nullptr) == 1;
  if (!made) return fail(ErrorCode::kLimit, "naming a certificate");
  return out;
}

}  // namespace culvert::tls
