#include "quoted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "culvert/base/byte_words.hpp"

namespace culvert::telemetry {
namespace {

bool is_plain_character(char c) {
  return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

// Appends what is plain at the front of `value`, and takes it off.
void append_plain(std::string& out, std::string_view& value) {
  const auto plain =
      static_cast<std::size_t>(std::ranges::find_if_not(value, is_plain_character) - value.begin());
  out.append(value.substr(0, plain));
  value.remove_prefix(plain);
}

}  // namespace

bool is_plain(std::string_view value) {
  return !any_word(value, [](std::uint64_t word) {
    return has_less(word, ' ') | has_byte(word, '"') | has_byte(word, '\\') | has_byte(word, 0x7f) |
           has_high(word);
  });
}

void append_quoted(std::string& out, std::string_view value) {
  out += '"';
  append_escaped(out, value);
  out += '"';
}

void append_escaped(std::string& out, std::string_view value) {
  if (is_plain(value)) {
    out.append(value);
    return;
  }
  for (append_plain(out, value); !value.empty(); append_plain(out, value)) {
    const char c = value.front();
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
    value.remove_prefix(1);
  }
}

void append_json_string(std::string& out, std::string_view value) {
  out += '"';
  for (append_plain(out, value); !value.empty(); append_plain(out, value)) {
    const char c = value.front();
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte >= 0x80) {
      out += "\\ufffd";
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    }
    value.remove_prefix(1);
  }
  out += '"';
}

}  // namespace culvert::telemetry
