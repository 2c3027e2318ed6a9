// A workload's name in certificates and policies: SPIFFE ids as Istio writes them. Pure values.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::mesh {

/// spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT (SPIFFE-ID, section 2; Istio's path form).
struct Identity {
  std::string trust_domain;
  std::string ns;
  std::string service_account;

  /// Accepts exactly the form above: three non-empty parts without '/', at most kMaxLength bytes,
  /// printable ASCII. nullopt otherwise.
  static std::optional<Identity> parse(std::string_view uri);
  /// "spiffe://cluster.local/ns/shop/sa/web".
  std::string to_string() const;
  /// The same without "spiffe://": what policies call a principal.
  std::string principal() const;

  auto operator<=>(const Identity&) const = default;

  static constexpr std::size_t kMaxLength = 2048;  // SPIFFE-ID, section 2.3
};

}  // namespace culvert::mesh
