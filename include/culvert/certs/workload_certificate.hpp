// A workload's certificate as the CA's reply gives it, checked before anybody uses it; and when to
// ask for the next one. Pure; any thread. In memory only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/tls/context.hpp"
#include "culvert/tls/secret.hpp"

namespace culvert::certs {

inline constexpr std::size_t kMaxReplyCertificates = 16;

struct WorkloadCertificate {
  using TimePoint = std::chrono::system_clock::time_point;

  std::string identity;     // "spiffe://td/ns/n/sa/s"
  std::string chain;        // PEM: leaf, then intermediates
  std::string roots;        // PEM: what the reply named as roots
  tls::Secret private_key;  // PEM
  TimePoint not_before;
  TimePoint not_after;

  /// From istio.v1.auth.IstioCertificateResponse.cert_chain: leaf, intermediates, root(s); an entry
  /// may hold several. Checks: the leaf's identity is the requested one, the key is its key, it is
  /// valid at `now`, no CA, and leads to a root of the reply. kInvalid or kIdentity otherwise.
  static Result<WorkloadCertificate> from_reply(std::string_view requested_identity,
                                                tls::Secret private_key,
                                                std::span<const std::string> reply, TimePoint now);

  /// For one role; make both once and share them.
  Result<tls::Context> make_context(tls::Role role,
                                    tls::Records records = tls::kDefaultRecords) const;
};

/// When to renew: at half of the life, or up to a twentieth of the life earlier. `jitter` in [0, 1)
/// is drawn by the caller, so that workloads made together do not renew together. The life begins
/// when the certificate was `received`: the CA dates notBefore back, so that of a life of two
/// minutes more than half would be over on arrival. Never sooner than a second after that.
std::chrono::system_clock::time_point renewal_time(std::chrono::system_clock::time_point received,
                                                   std::chrono::system_clock::time_point not_after,
                                                   double jitter);

/// The least wait: the certificates of a CA at its own end are ever shorter.
inline constexpr std::chrono::seconds kMinRenewalDelay{1};
inline constexpr std::chrono::milliseconds kFirstRetryDelay{500};
inline constexpr std::chrono::milliseconds kMaxRetryDelay{150'000};
/// How long to wait after the n-th failure in a row (from 1): doubles from 0.5 s to 150 s.
std::chrono::milliseconds retry_delay(unsigned failures);

}  // namespace culvert::certs
