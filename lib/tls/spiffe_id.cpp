// Strict reading of SPIFFE ids (SPIFFE-ID sections 2.1 to 2.3).
#include "culvert/tls/spiffe_id.hpp"

#include <algorithm>

namespace culvert::tls {
namespace {

constexpr std::string_view kScheme = "spiffe://";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_trust_domain_char(char c) {
  return is_lower_or_digit(c) || c == '.' || c == '-' || c == '_';
}
bool is_path_char(char c) {
  return is_trust_domain_char(c) || (c >= 'A' && c <= 'Z');
}

// RFC 1123 label or, with `dots`, subdomain.
bool is_kubernetes_name(std::string_view name, std::size_t max_bytes, bool dots) {
  if (name.empty() || name.size() > max_bytes) return false;
  char before = '.';
  for (const char c : name) {
    if (c == '.') {
      if (!dots || before == '.' || before == '-') return false;
    } else if (c == '-') {
      if (before == '.') return false;
    } else if (!is_lower_or_digit(c)) {
      return false;
    }
    before = c;
  }
  return before != '.' && before != '-';
}

bool is_path(std::string_view path) {
  while (!path.empty()) {
    if (path.front() != '/') return false;
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (!std::ranges::all_of(segment, is_path_char)) return false;
    path.remove_prefix(segment.size());
  }
  return true;
}

}  // namespace

bool is_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTrustDomainBytes &&
         std::ranges::all_of(text, is_trust_domain_char);
}

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  if (uri.size() > kMaxSpiffeIdBytes)
    return fail(ErrorCode::kInvalid, "SPIFFE id: over 2048 bytes");
  if (!uri.starts_with(kScheme)) {
    return fail(ErrorCode::kInvalid, "SPIFFE id: does not start with spiffe://");
  }
  uri.remove_prefix(kScheme.size());
  const auto slash = uri.find('/');
  if (slash == std::string_view::npos) return fail(ErrorCode::kInvalid, "SPIFFE id: has no path");
  if (!is_trust_domain(uri.substr(0, slash))) {
    return fail(ErrorCode::kInvalid, "SPIFFE id: malformed trust domain");
  }
  if (!is_path(uri.substr(slash))) return fail(ErrorCode::kInvalid, "SPIFFE id: malformed path");
  return SpiffeId{std::string(uri.substr(0, slash)), std::string(uri.substr(slash))};
}

std::string SpiffeId::to_string() const {
  return std::string(kScheme) + trust_domain + path;
}

Result<WorkloadId> WorkloadId::parse(std::string_view uri) {
  auto id = SpiffeId::parse(uri);
  if (!id) return std::unexpected(id.error());
  constexpr std::string_view kNamespacePart = "/ns/";
  constexpr std::string_view kAccountPart = "/sa/";
  const auto malformed =
      fail(ErrorCode::kInvalid, "SPIFFE id: not of the form spiffe://TD/ns/NAMESPACE/sa/ACCOUNT");
  std::string_view rest = id->path;
  if (!rest.starts_with(kNamespacePart)) return malformed;
  rest.remove_prefix(kNamespacePart.size());
  const auto end = rest.find('/');
  if (end == std::string_view::npos) return malformed;
  const auto namespace_name = rest.substr(0, end);
  rest.remove_prefix(end);
  if (!rest.starts_with(kAccountPart)) return malformed;
  rest.remove_prefix(kAccountPart.size());
  if (!is_kubernetes_name(namespace_name, kMaxNamespaceBytes, false) ||
      !is_kubernetes_name(rest, kMaxServiceAccountBytes, true)) {
    return malformed;
  }
  return WorkloadId{id->trust_domain, std::string(namespace_name), std::string(rest)};
}

std::string WorkloadId::to_string() const {
  return std::string(kScheme) + trust_domain + "/ns/" + namespace_name + "/sa/" + service_account;
}

}  // namespace culvert::tls
