// Characters: which bytes may stand where (RFC 9110 section 5, RFC 3986). Tables made when
// compiling.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "culvert/base/byte_words.hpp"

namespace culvert::http {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// 0 to 15, or -1.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool is_space(char c) {
  return c == ' ' || c == '\t';
}

/// By byte: the character of a token in lower case, or 0 for what no token has (RFC 9110 section
/// 5.6.2).
inline constexpr auto kTokenLower = [] {
  std::array<char, 256> table{};
  for (int byte = 0; byte < 128; ++byte) {
    const char c = static_cast<char>(byte);
    if (is_digit(c) || is_alpha(c)) table[static_cast<std::size_t>(byte)] = lower(c);
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<std::size_t>(c)] = c;
  return table;
}();
constexpr char token_lower(char c) {
  return kTokenLower[static_cast<unsigned char>(c)];
}

constexpr bool is_token(std::string_view text) {
  for (const char c : text) {
    if (token_lower(c) == 0) return false;
  }
  return !text.empty();
}

/// A token of small letters, digits and '-', as the names of most fields are.
inline bool is_plain_name(std::string_view text) {
  return !text.empty() && !any_word(text, [](std::uint64_t word) {
    const auto plain = has_between(word, 'a' - 1, 'z' + 1) | has_between(word, '0' - 1, '9' + 1) |
                       has_between(word, '-' - 1, '-' + 1);
    return plain ^ kTopBits;
  });
}

/// Visible US-ASCII, from '!' to '~'.
constexpr bool is_visible(char c) {
  return c > ' ' && c < 0x7f;
}

/// An ASCII capital is among them.
inline bool has_upper_case(std::string_view text) {
  return any_word(text, [](std::uint64_t word) { return has_between(word, 'A' - 1, 'Z' + 1); });
}

/// Neither controls, but HTAB, nor DEL.
inline bool is_text(std::string_view text) {
  const auto is_bad = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20U && byte != '\t') || byte == 0x7fU;
  };
  const bool odd = any_word(
      text, [](std::uint64_t word) { return has_less(word, 0x20) | has_byte(word, 0x7f); });
  return !odd || std::ranges::none_of(text, is_bad);  // it may be a HTAB
}

constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

/// Without the spaces and tabs at both ends.
constexpr std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace culvert::http
