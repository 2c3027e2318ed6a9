#include "culvert/l7/match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace culvert::l7 {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// `text` is in lower case already.
bool starts_with_folded(std::string_view value, std::string_view text) {
  return value.size() >= text.size() &&
         std::ranges::equal(value.substr(0, text.size()), text, {}, lower);
}

bool is_everything(const std::optional<TextMatch>& uri) {
  if (!uri) return true;
  return (uri->kind == TextMatch::Kind::kPrefix && uri->text == "/") ||
         (uri->kind == TextMatch::Kind::kRegex && uri->text == ".*");
}

bool header_holds(const NamedMatch& wanted, const RequestView& request) {
  return request.any_value(wanted.name,
                           [&](std::string_view value) { return wanted.match.matches(value); });
}

bool without_holds(const NamedMatch& wanted, const RequestView& request) {
  if (header_holds(wanted, request)) return false;
  const bool there = request.any_value(wanted.name, [](std::string_view) { return true; });
  return there || wanted.match.kind == TextMatch::Kind::kPresent || !wanted.match.matches("");
}

bool label_holds(const std::pair<std::string, std::string>& wanted, const ClientView& client) {
  if (!client.labels) return false;
  const auto found = client.labels->find(wanted.first);
  return found != client.labels->end() && found->second == wanted.second;
}

}  // namespace

bool TextMatch::matches(std::string_view value) const {
  switch (kind) {
    case Kind::kPresent:
      return true;
    case Kind::kExact:
      return ignore_case ? value.size() == text.size() && starts_with_folded(value, text)
                         : value == text;
    case Kind::kPrefix:
      return ignore_case ? starts_with_folded(value, text) : value.starts_with(text);
    case Kind::kRegex:
      return regex->matches(value);
  }
  return false;
}

std::string TextMatch::to_string() const {
  constexpr std::string_view kNames[] = {"present", "exact", "prefix", "regex"};
  const auto name = kNames[static_cast<std::size_t>(kind)];
  if (kind == Kind::kPresent) return std::string(name);
  return fmt::format("{} \"{}\"{}", name, text, ignore_case ? " in any case" : "");
}

std::optional<std::string_view> query_param(std::string_view path, std::string_view name) {
  const auto question = path.find('?');
  if (question == std::string_view::npos) return std::nullopt;
  auto rest = path.substr(question + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const auto ampersand = rest.find('&');
    const auto one = rest.substr(0, ampersand);
    const auto equals = one.find('=');
    if (one.substr(0, equals) == name) {
      return equals == std::string_view::npos ? one.substr(one.size()) : one.substr(equals + 1);
    }
    if (ampersand == std::string_view::npos) break;
    rest.remove_prefix(ampersand + 1);
  }
  return std::nullopt;
}

std::optional<Mismatch> RequestMatch::mismatch(const RequestView& request, const ClientView& client,
                                               std::uint16_t arrived_at) const {
  using Field = Mismatch::Field;
  if (port != 0 && port != arrived_at) return Mismatch{Field::kPort, {}};
  if (uri && !uri->matches(request.path_without_query())) return Mismatch{Field::kUri, {}};
  if (method && !method->matches(request.method)) return Mismatch{Field::kMethod, {}};
  if (authority && !authority->matches(request.authority)) return Mismatch{Field::kAuthority, {}};
  if (scheme && !scheme->matches(request.scheme)) return Mismatch{Field::kScheme, {}};
  if (!source_namespace.empty() && source_namespace != client.ns) {
    return Mismatch{Field::kSourceNamespace, {}};
  }
  for (const auto& label : source_labels) {
    if (!label_holds(label, client)) return Mismatch{Field::kSourceLabel, label.first};
  }
  for (const auto& wanted : headers) {
    if (!header_holds(wanted, request)) return Mismatch{Field::kHeader, wanted.name};
  }
  for (const auto& wanted : without_headers) {
    if (!without_holds(wanted, request)) {
      return Mismatch{Field::kWithoutHeader, wanted.name};
    }
  }
  for (const auto& wanted : query_params) {
    const auto value = query_param(request.path, wanted.name);
    if (!value || !wanted.match.matches(*value)) return Mismatch{Field::kQueryParam, wanted.name};
  }
  return std::nullopt;
}

bool RequestMatch::matches_any_request() const {
  return is_everything(uri) && !scheme && !method && !authority && headers.empty() &&
         without_headers.empty() && query_params.empty();
}

bool RequestMatch::matches_all() const {
  return matches_any_request() && port == 0 && source_labels.empty() && source_namespace.empty();
}

}  // namespace culvert::l7
