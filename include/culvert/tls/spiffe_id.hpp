// SPIFFE ids as certificates carry them, read strictly. Pure; any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert::tls {

inline constexpr std::size_t kMaxSpiffeIdBytes = 2048;       // SPIFFE-ID section 2.3
inline constexpr std::size_t kMaxTrustDomainBytes = 255;     // SPIFFE-ID section 2.1
inline constexpr std::size_t kMaxNamespaceBytes = 63;        // RFC 1123 label (Kubernetes names)
inline constexpr std::size_t kMaxServiceAccountBytes = 253;  // RFC 1123 subdomain

/// "spiffe://TRUST_DOMAIN/PATH" (SPIFFE-ID section 2). The path has at least one segment: an id
/// without one names a trust domain, not a workload.
struct SpiffeId {
  std::string trust_domain;
  std::string path;  // with the leading slash: "/ns/shop/sa/web"

  /// kInvalid with the rule that is broken. Nothing is normalized: a trust domain in capitals, a
  /// percent sign, an empty or dot segment, a port, a query or a fragment is refused.
  static Result<SpiffeId> parse(std::string_view uri);
  std::string to_string() const;
  auto operator<=>(const SpiffeId&) const = default;
};

/// The one form that Istio gives workloads: spiffe://TD/ns/NS/sa/SA.
struct WorkloadId {
  std::string trust_domain;
  std::string namespace_name;
  std::string service_account;

  /// kInvalid when `uri` is no SPIFFE id of that form or its names are no Kubernetes names.
  static Result<WorkloadId> parse(std::string_view uri);
  std::string to_string() const;
  auto operator<=>(const WorkloadId&) const = default;
};

/// Whether `text` may be a trust domain: 1 to 255 of a-z, 0-9, '.', '-', '_'.
bool is_trust_domain(std::string_view text);

}  // namespace culvert::tls
