// The matches of VirtualServices read slowly and plainly, message by message; for plain_mesh.hpp.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ask.hpp"
#include "virtual_service.pb.h"

namespace culvert::l7::test {

namespace v1 = ::istio::networking::v1alpha3;

/// A pattern, and what it means, written by hand.
struct Pattern {
  const char* text;
  bool (*holds)(const std::string&);
};
inline const Pattern kPatterns[] = {
    {".*", [](const std::string&) { return true; }},
    {"/a.*", [](const std::string& s) { return s.starts_with("/a"); }},
    {"/a|/b", [](const std::string& s) { return s == "/a" || s == "/b"; }},
    {"/[ab]c", [](const std::string& s) { return s == "/ac" || s == "/bc"; }},
    {"x+",
     [](const std::string& s) {
       return !s.empty() && s.find_first_not_of('x') == std::string::npos;
     }},
    {".*c", [](const std::string& s) { return s.ends_with("c"); }},
};

inline std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

inline bool holds(const v1::StringMatch& match, const std::string& text, bool fold = false) {
  const auto value = fold && !match.has_regex() ? lower(text) : text;
  if (match.has_exact()) return value == (fold ? lower(match.exact()) : match.exact());
  if (match.has_prefix()) return value.starts_with(fold ? lower(match.prefix()) : match.prefix());
  if (match.has_regex()) {
    return std::ranges::find(kPatterns, match.regex(),
                             [](const Pattern& p) { return std::string(p.text); })
        ->holds(text);
  }
  return true;
}

/// One value of a header is enough; a cookie is one value, however many crumbs it came in.
inline bool any_value(const Ask& ask, const std::string& name,
                      const std::function<bool(const std::string&)>& fits) {
  std::vector<std::string> values;
  for (const auto& [own, value] : ask.headers) {
    if (own != name) continue;
    if (name == "cookie" && !values.empty()) {
      values[0] += "; " + value;
    } else {
      values.push_back(value);
    }
  }
  return std::ranges::any_of(values, fits);
}

inline std::optional<std::string> param(const Ask& ask, const std::string& name) {
  const auto question = ask.path.find('?');
  if (question == std::string::npos) return std::nullopt;
  std::string query = ask.path.substr(question + 1) + "&";
  while (!query.empty()) {
    const auto one = query.substr(0, query.find('&'));
    query.erase(0, one.size() + 1);
    if (one == name) return "";
    if (one.starts_with(name + "=")) return one.substr(name.size() + 1);
  }
  return std::nullopt;
}

inline bool holds(const v1::HTTPMatchRequest& match, const Ask& ask) {
  if (match.has_uri() &&
      !holds(match.uri(), ask.path.substr(0, ask.path.find('?')), match.ignore_uri_case())) {
    return false;
  }
  if (match.has_method() && !holds(match.method(), ask.method)) return false;
  if (match.port() != 0 && match.port() != ask.port) return false;
  if (!match.source_namespace().empty() && match.source_namespace() != ask.ns) return false;
  for (const auto& [key, value] : match.source_labels()) {
    if (!ask.labels.contains(key) || ask.labels.at(key) != value) return false;
  }
  for (const auto& [name, wanted] : match.headers()) {
    if (!any_value(ask, name, [&](const auto& value) { return holds(wanted, value); })) {
      return false;
    }
  }
  for (const auto& [name, wanted] : match.without_headers()) {
    const bool there = any_value(ask, name, [](const auto&) { return true; });
    if (any_value(ask, name, [&](const auto& value) { return holds(wanted, value); })) return false;
    if (!there && wanted.match_type_case() != 0 && holds(wanted, "")) return false;
  }
  for (const auto& [name, wanted] : match.query_params()) {
    const auto value = param(ask, name);
    if (!value || !holds(wanted, *value)) return false;
  }
  return true;
}

inline bool takes_any_request(const v1::HTTPMatchRequest& match) {
  const bool uri = !match.has_uri() || match.uri().prefix() == "/" || match.uri().regex() == ".*";
  return uri && !match.has_method() && match.headers().empty() && match.without_headers().empty() &&
         match.query_params().empty();
}

}  // namespace culvert::l7::test
