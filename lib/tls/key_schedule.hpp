// What is left of TLS 1.3's key schedule (RFC 8446 section 7) once the handshake is done: from a
// traffic secret to keys, and to the next traffic secret. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "culvert/tls/secret.hpp"
#include "openssl_ptr.hpp"

namespace culvert::tls {

/// One of the cipher suites that a Context speaks (RFC 8446 appendix B.4).
struct Suite {
  const EVP_CIPHER* cipher;
  const EVP_MD* hash;
  std::size_t key_bytes;
  std::size_t secret_bytes;  // of a traffic secret: the hash's length

  /// By its IANA number: 0x1301 or 0x1302. nullptr for any other.
  static const Suite* find(std::uint32_t number);
};

inline constexpr std::size_t kMaxKeyBytes = 32;
inline constexpr std::size_t kMaxSecretBytes = 48;
inline constexpr std::size_t kIvBytes = 12;

/// HKDF-Expand-Label(secret, label, "", out.size()) (RFC 8446 section 7.1; RFC 5869 section 2.3).
/// `label` without "tls13 "; `out` takes at most one block of the hash. False when OpenSSL fails.
bool expand_label(const Suite& suite, std::string_view secret, std::string_view label,
                  std::span<std::uint8_t> out);

/// The secret that follows `secret` after a KeyUpdate (RFC 8446 section 7.2); empty on failure.
Secret next_traffic_secret(const Suite& suite, const Secret& secret);

}  // namespace culvert::tls
