#include "field_lines.hpp"

#include <cstring>

#include "characters.hpp"

namespace culvert::http {
namespace {

Refusal bad_name(const char* line, const char* at) {
  if (at == line && is_space(*at)) return refusals::kFolded;
  // "Host :": some take it for "Host", some for another field (RFC 9112 section 5.1).
  if (at != line && is_space(*at)) return refusals::kSpaceBeforeColon;
  return refusals::kFieldName;
}

}  // namespace

std::expected<void, Refusal> FieldLines::read(std::string_view lines, std::size_t max_fields,
                                              Fields& into) {
  into.places_.clear();
  into.text_.assign(lines);
  char* const begin = into.text_.data();
  const char* const end = begin + into.text_.size();
  for (char* line = begin; line != end;) {
    if (into.places_.size() >= max_fields) return std::unexpected(refusals::kTooManyFields);
    char* at = line;
    while (const char c = token_lower(*at)) *at++ = c;  // ends at CR at the latest
    if (*at != ':' || at == line) return std::unexpected(bad_name(line, at));
    const auto name_bytes = static_cast<std::size_t>(at - line);
    char* value = at + 1;
    const auto left = static_cast<std::size_t>(end - value);
    char* next = static_cast<char*>(std::memchr(value, '\n', left)) + 1;
    const auto text = trimmed(std::string_view(value, static_cast<std::size_t>(next - 2 - value)));
    if (!is_text(text)) return std::unexpected(refusals::kFieldValue);
    if (name_bytes > UINT16_MAX) return std::unexpected(refusals::kFieldName);
    into.places_.push_back(
        {static_cast<std::uint32_t>(line - begin), static_cast<std::uint32_t>(text.data() - begin),
         static_cast<std::uint32_t>(text.size()), static_cast<std::uint16_t>(name_bytes)});
    line = next;
  }
  return {};
}

}  // namespace culvert::http
