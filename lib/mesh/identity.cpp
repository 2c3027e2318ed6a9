// SPIFFE ids: parsing and printing.
#include "culvert/mesh/identity.hpp"

#include <algorithm>

namespace culvert::mesh {
namespace {

constexpr std::string_view kScheme = "spiffe://";

/// A path segment or trust domain: non-empty, printable, no '/', and nothing that starts a query
/// or fragment or hides one (SPIFFE-ID section 2.2 forbids percent-encoding).
bool is_segment(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) {
    return c > ' ' && c < 0x7f && c != '/' && c != '?' && c != '#' && c != '%' && c != '@' &&
           c != ':';
  });
}

/// The text before `separator`; moves `rest` behind it.
std::optional<std::string_view> take_until(std::string_view& rest, std::string_view separator) {
  auto at = rest.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  auto part = rest.substr(0, at);
  rest.remove_prefix(at + separator.size());
  return part;
}

}  // namespace

std::optional<Identity> Identity::parse(std::string_view uri) {
  if (uri.size() > kMaxLength || !uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  auto trust_domain = take_until(uri, "/ns/");
  if (!trust_domain) return std::nullopt;
  auto ns = take_until(uri, "/sa/");
  if (!ns) return std::nullopt;
  if (!is_segment(*trust_domain) || !is_segment(*ns) || !is_segment(uri)) return std::nullopt;
  return Identity{std::string(*trust_domain), std::string(*ns), std::string(uri)};
}

std::string Identity::principal() const {
  return trust_domain + "/ns/" + ns + "/sa/" + service_account;
}

std::string Identity::to_string() const {
  return std::string(kScheme) + principal();
}

}  // namespace culvert::mesh
