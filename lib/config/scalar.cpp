// Scalars: booleans, numbers, durations.
#include "scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace culvert::config {
namespace {

template <class... Args>
std::optional<std::int64_t> whole(std::string_view text, int base) {
  std::int64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || at != end || text.empty()) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  double nanoseconds;
};
constexpr std::array kUnits = {Unit{"ns", 1},       Unit{"us", 1e3},      Unit{"µs", 1e3},
                               Unit{"μs", 1e3},     Unit{"ms", 1e6},      Unit{"s", 1e9},
                               Unit{"m", 60 * 1e9}, Unit{"h", 3600 * 1e9}};

/// Takes "1.5h" off the front of `text`.
std::optional<double> take_part(std::string_view& text) {
  const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto amount = text.substr(0, digits);
  if (amount.empty() || amount == "." || std::ranges::count(amount, '.') > 1) return std::nullopt;
  double value = 0;
  std::from_chars(amount.data(), amount.data() + amount.size(), value);
  text.remove_prefix(digits);
  const auto letters = std::min(text.find_first_of("0123456789."), text.size());
  const auto unit = std::ranges::find(kUnits, text.substr(0, letters), &Unit::name);
  if (unit == kUnits.end()) return std::nullopt;
  text.remove_prefix(letters);
  return value * unit->nanoseconds;
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
  for (auto yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == yes) return true;
  }
  for (auto no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
    if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  }
  if (text.starts_with('-')) return std::nullopt;
  std::optional<std::int64_t> value;
  if (text.starts_with("0x")) {
    value = whole(text.substr(2), 16);
  } else if (text.starts_with("0o")) {
    value = whole(text.substr(2), 8);
  } else if (text.size() > 1 && text[0] == '0') {
    value = whole(text.substr(1), 8);
  } else {
    value = whole(text, 10);
  }
  if (!value || *value < 0) return std::nullopt;
  return negative ? -*value : *value;
}

std::optional<double> parse_number(std::string_view text) {
  if (auto integer = parse_integer(text)) return static_cast<double>(*integer);
  const auto first = text.find_first_not_of("+-");
  if (first == std::string_view::npos || first > 1) return std::nullopt;
  const char c = text[first];
  if (c != '.' && (c < '0' || c > '9')) return std::nullopt;  // not "inf", "nan"
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    auto part = take_part(text);
    if (!part) return std::nullopt;
    total += *part;
  }
  if (total >= static_cast<double>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  const auto count = static_cast<std::int64_t>(std::llround(total));
  return std::chrono::nanoseconds(negative ? -count : count);
}

std::optional<std::string> parse_base64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U | static_cast<std::uint32_t>(value)) & 0xffffU;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> static_cast<unsigned>(count) & 0xffU));
  }
  return out;
}

const char* describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
    case YamlNode::Kind::kScalar:
      break;
  }
  if (!node.plain) return "a string";
  if (parse_bool(node.text)) return "a boolean";
  return parse_number(node.text) ? "a number" : "a string";
}

bool is_string(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kScalar &&
         (!node.plain || (!parse_bool(node.text) && !parse_number(node.text)));
}

}  // namespace culvert::config
