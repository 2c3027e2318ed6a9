// One element of a rule's `match`: all that it says must hold. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "culvert/l7/request.hpp"
#include "culvert/regex/regex.hpp"

namespace culvert::l7 {

struct TextMatch {
  enum class Kind : std::uint8_t { kPresent, kExact, kPrefix, kRegex };
  Kind kind = Kind::kPresent;
  std::string text;  // kRegex: the pattern; with ignore_case in lower case
  bool ignore_case = false;
  std::shared_ptr<const Regex> regex;  // kRegex
  std::string literal_prefix;          // kRegex of a uri: everything that matches begins so

  bool matches(std::string_view value) const;
  /// "prefix \"/api\"".
  std::string to_string() const;
};

struct NamedMatch {
  std::string name;  // a header's in lower case
  TextMatch match;
};

/// What did not hold, for explanations.
struct Mismatch {
  enum class Field : std::uint8_t {
    kUri,
    kScheme,
    kMethod,
    kAuthority,
    kHeader,
    kQueryParam,
    kWithoutHeader,
    kPort,
    kSourceLabel,
    kSourceNamespace,
  };
  Field field = Field::kUri;
  std::string_view name;  // of the header, parameter or label
};

struct RequestMatch {
  std::string name;
  std::string stat_prefix;
  std::optional<TextMatch> uri, scheme, method, authority;
  std::vector<NamedMatch> headers, without_headers, query_params;
  std::uint16_t port = 0;  // 0: any
  std::vector<std::pair<std::string, std::string>> source_labels;
  std::string source_namespace;       // empty: any
  std::vector<std::string> gateways;  // "mesh" or "NAMESPACE/NAME"; empty: the VirtualService's

  /// Nothing when all holds. The path is compared without its query. Of a header that is sent
  /// several times one value is enough, for withoutHeaders too; of a query parameter the first
  /// counts, as it was sent. withoutHeaders take a header that is not there for an empty one,
  /// except where they ask for presence (as Istio tells Envoy to).
  std::optional<Mismatch> mismatch(const RequestView& request, const ClientView& client,
                                   std::uint16_t arrived_at) const;
  /// Whether every request matches, of any client and at any port.
  bool matches_all() const;
  /// Whether it says nothing of the request itself (Istio's "catch-all").
  bool matches_any_request() const;
};

/// The first value of a query parameter, undecoded; nullopt when it is not there.
std::optional<std::string_view> query_param(std::string_view path, std::string_view name);

}  // namespace culvert::l7
