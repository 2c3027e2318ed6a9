// Regular expressions as Istio's API means them: RE2's syntax, matched in time linear in the text
// (docs/decisions/0090-regular-expressions.md). Immutable, readable from any thread.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace culvert {

/// Longer patterns are refused, as by Istio.
inline constexpr std::size_t kMaxPatternBytes = 1024;
/// Memory that one pattern's program and its caches may take; a pattern that needs more is refused.
inline constexpr std::int64_t kMaxPatternMemory = 1 << 20;

class Regex {
 public:
  /// The error is RE2's reason, in words, or ours for one that is too long or too large.
  static std::expected<Regex, std::string> compile(std::string_view pattern);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  const std::string& pattern() const;
  /// Whether the whole of `text` matches.
  bool matches(std::string_view text) const;
  /// `text` with each match replaced; \0 to \9 in `rewrite` are the groups. Check the rewrite
  /// first.
  std::string replace_all(std::string_view text, std::string_view rewrite) const;
  /// Why `rewrite` cannot be used here (a group that the pattern has not); empty when it can.
  std::string check_rewrite(std::string_view rewrite) const;
  /// Text that everything that matches begins with; may be empty. No longer than 64 bytes.
  std::string literal_prefix() const;

 private:
  explicit Regex(std::unique_ptr<re2::RE2> program);
  std::unique_ptr<re2::RE2> program_;
};

/// What was probably meant by a pattern that does not compile: "^(.*?;)?x" for "^(.?*;)?x", ".*"
/// for
/// "*". Empty when no small change makes it one.
std::string suggest_pattern(std::string_view pattern);

}  // namespace culvert
