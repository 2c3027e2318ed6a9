// What a TLS endpoint is: its certificate chain, key and the roots that it trusts, for one role.
// Made when a certificate arrives (startup, renewal), then shared by every session of the workload.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert::tls {

enum class Role : std::uint8_t { kClient, kServer };

/// Who seals and opens the records of a connection once OpenSSL has done its handshake.
enum class Records : std::uint8_t {
  kOwn,      // AES-GCM directly between our buffers (docs/decisions/0050-record-layer.md)
  kOpenssl,  // OpenSSL's own record layer
};
inline constexpr Records kDefaultRecords = Records::kOwn;

inline constexpr std::size_t kMaxPemBytes = 1U << 20;         // chain or roots given to a Context
inline constexpr int kMaxChainDepth = 4;                      // intermediates between leaf and root
inline constexpr std::size_t kMaxPeerChainBytes = 64U << 10;  // certificate message of a peer

/// PEM texts. They are read during Context::create and not kept; the caller wipes its own key.
struct Credentials {
  std::string_view certificate_chain;  // leaf first, then intermediates; a root at the end is fine
  std::string_view private_key;        // PKCS8 or SEC1, not encrypted
  std::string_view trusted_roots;      // at least one
};

/// Immutable and shared by copying (one reference count); any thread. TLS 1.3 only, suites
/// AES_256_GCM_SHA384 then AES_128_GCM_SHA256, ALPN "h2", peer certificate required, no SNI, no
/// tickets, no resumption (Istio's HBONE settings).
class Context {
 public:
  struct Impl;

  /// kInvalid: PEM that does not parse, a key that is not the leaf's, a leaf without exactly one
  /// SPIFFE URI SAN. kTls: OpenSSL refused it.
  static Result<Context> create(Role role, const Credentials& credentials,
                                Records records = kDefaultRecords);

  Role role() const;
  /// The leaf's own SPIFFE id and its trust domain.
  const std::string& identity() const;
  const std::string& trust_domain() const;
  std::chrono::system_clock::time_point not_after() const;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Context(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace culvert::tls
