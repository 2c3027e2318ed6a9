#include "culvert/yaml_output.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace culvert::cli {
namespace {

// What YAML 1.1 takes for a boolean or nothing, in lower case (yaml.org/type/bool.html, null.html).
constexpr std::array<std::string_view, 9> kWords{"true", "false", "yes", "no", "on",
                                                 "off",  "null",  "y",   "n"};

bool is_word(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(kWords, lower) != kWords.end();
}

// Plain only where no rule of the language could see anything but this text.
bool is_plain(std::string_view text) {
  const auto letter = [](unsigned char c) { return std::isalpha(c) != 0 || c == '/'; };
  if (text.empty() || !letter(static_cast<unsigned char>(text[0]))) {
    // An address of IPv4 has too many dots for a number.
    const bool address =
        std::ranges::count(text, '.') == 3 &&
        std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) || c == '.'; });
    return address;
  }
  if (is_word(text) || text.back() == ' ' || text.back() == ':') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == ':' && text[i + 1] == ' ') return false;
    if (std::isalnum(c) == 0 &&
        std::string_view(" _-./:@+()=,;'").find(text[i]) == std::string::npos)
      return false;
  }
  return true;
}

// Lines of printable ASCII that all end in a newline can stand as they are, indented.
bool is_block(const std::string& text) {
  if (text.find('\n') == std::string::npos || text.back() != '\n' || text[0] == '\n' ||
      text[0] == ' ' || text.ends_with("\n\n"))
    return false;
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

void indent(std::string& out, int depth) {
  out.append(static_cast<std::size_t>(depth) * 2, ' ');
}

void write_text(std::string& out, const std::string& text, int depth) {
  if (is_block(text)) {
    out += " |\n";
    for (std::size_t from = 0; from < text.size();) {
      const auto end = text.find('\n', from) + 1;
      if (end - from > 1) indent(out, depth);
      out += text.substr(from, end - from);
      from = end;
    }
    return;
  }
  out += ' ';
  // JSON's strings are YAML's double-quoted ones.
  out += is_plain(text) ? text : Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  out += '\n';
}

void write_members(std::string& out, const Json& value, int depth, bool first_in_place);

// What follows "key:" or "-"; `depth` is that of lines of its own.
void write_value(std::string& out, const Json& value, int depth, bool in_list) {
  if (value.is_string()) return write_text(out, value.get_ref<const std::string&>(), depth);
  if (!value.is_structured() || value.empty()) {
    out += ' ' + value.dump() + '\n';
  } else if (value.is_object() && in_list) {
    out += ' ';
    write_members(out, value, depth, true);
  } else {
    out += '\n';
    write_members(out, value, value.is_array() && !in_list ? depth - 1 : depth, false);
  }
}

void write_members(std::string& out, const Json& value, int depth, bool first_in_place) {
  for (const auto& [key, member] : value.items()) {
    if (!first_in_place) indent(out, depth);
    first_in_place = false;
    if (value.is_array()) {
      out += '-';
    } else {
      out += (is_plain(key) ? key : Json(key).dump()) + ':';
    }
    write_value(out, member, depth + 1, value.is_array());
  }
}

}  // namespace

std::string to_yaml(const Json& document) {
  std::string out;
  if (document.is_structured() && !document.empty()) {
    write_members(out, document, 0, false);
  } else {
    write_value(out, document, 0, false);
    out.erase(0, 1);
  }
  return out;
}

}  // namespace culvert::cli
