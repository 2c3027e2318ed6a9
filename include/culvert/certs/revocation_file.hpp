// A file of CRLs (PEM, RFC 5280 section 5), judged as a whole before anything in it counts.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

#include "culvert/tls/revocation.hpp"

namespace culvert::certs {

inline constexpr std::size_t kMaxRevocationFileBytes = 8U << 20;  // about 200,000 entries
inline constexpr std::size_t kMaxRevocationLists = 64;            // CRLs in one file

struct Revocations {
  tls::RevocationListPtr list;
  std::string warning;  // e.g. an overdue CRL, which still counts; empty without one
};

/// Reads one or several CRLs. Each must be signed by a certificate that leads to a trusted root:
/// `roots` (PEM, at least one), `intermediates` (PEM, may be empty), or a CA certificate in the
/// file itself. The error is for people: no CRL in it, broken, signed by nobody trusted, from the
/// future, a delta, or one that covers only some certificates. CRLs that are overdue count: what
/// was revoked stays so.
std::expected<Revocations, std::string> read_revocations(
    std::string_view pem, std::string_view roots, std::string_view intermediates,
    std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace culvert::certs
