// Certificates that their issuers have taken back, as handshakes and open tunnels ask about them.
// Made from CRLs by lib/certs. Immutable; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace culvert::tls {

/// Names a certificate as a CRL does: SHA-256 over the DER of its issuer's name and of its serial
/// number (RFC 5280 section 5.1.2.6).
using CertificateId = std::array<std::uint8_t, 32>;

class RevocationList {
 public:
  /// In any order.
  explicit RevocationList(std::vector<CertificateId> revoked);

  bool contains(const CertificateId& certificate) const;
  bool contains_any(std::span<const CertificateId> chain) const;
  std::size_t size() const { return revoked_.size(); }

 private:
  std::vector<CertificateId> revoked_;  // sorted
};
/// Null: nobody is revoked.
using RevocationListPtr = std::shared_ptr<const RevocationList>;

}  // namespace culvert::tls
