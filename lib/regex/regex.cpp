// RE2 behind our own type: its header is included here only.
#include "culvert/regex/regex.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace culvert {
namespace {

constexpr int kMaxPrefixBytes = 64;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

RE2::Options options() {
  RE2::Options chosen;
  chosen.set_log_errors(false);
  chosen.set_max_mem(kMaxPatternMemory);
  // A byte that is no UTF-8 must not make a header unmatchable.
  chosen.set_encoding(RE2::Options::EncodingLatin1);
  return chosen;
}

}  // namespace

Regex::Regex(std::unique_ptr<re2::RE2> program) : program_(std::move(program)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

std::expected<Regex, std::string> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return std::unexpected(fmt::format("longer than {} bytes", kMaxPatternBytes));
  }
  auto program = std::make_unique<RE2>(piece(pattern), options());
  if (!program->ok()) return std::unexpected(program->error());
  return Regex(std::move(program));
}

const std::string& Regex::pattern() const {
  return program_->pattern();
}

bool Regex::matches(std::string_view text) const {
  return RE2::FullMatch(piece(text), *program_);
}

std::string Regex::replace_all(std::string_view text, std::string_view rewrite) const {
  std::string out(text);
  RE2::GlobalReplace(&out, *program_, piece(rewrite));
  return out;
}

std::string Regex::check_rewrite(std::string_view rewrite) const {
  std::string why;
  return program_->CheckRewriteString(piece(rewrite), &why) ? "" : why;
}

std::string Regex::literal_prefix() const {
  // RE2 bounds what can match at the start of the text, for patterns that are anchored there.
  const RE2 anchored("^(?:" + pattern() + ")$", options());
  std::string low;
  std::string high;
  if (!anchored.ok() || !anchored.PossibleMatchRange(&low, &high, kMaxPrefixBytes)) return "";
  const auto [end, other] = std::ranges::mismatch(low, high);
  return {low.begin(), end};
}

std::string suggest_pattern(std::string_view pattern) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kMisprints = {{
      {".?*", ".*?"},
      {".?+", ".+?"},
      {"?*", "*?"},
      {"?+", "+?"},
      {"**", "*"},
      {"++", "+"},
  }};
  std::vector<std::string> candidates;
  if (pattern.starts_with('*') || pattern.starts_with('+') || pattern.starts_with('?')) {
    candidates.push_back("." + std::string(pattern));
  }
  for (const auto& [wrong, right] : kMisprints) {
    std::string changed(pattern);
    for (auto at = changed.find(wrong); at != std::string::npos;
         at = changed.find(wrong, at + right.size())) {
      changed.replace(at, wrong.size(), right);
    }
    if (changed != pattern) candidates.push_back(changed);
  }
  for (auto& candidate : candidates) {
    if (Regex::compile(candidate)) return candidate;
  }
  return "";
}

}  // namespace culvert
