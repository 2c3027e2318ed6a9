// W3C trace context ids.
#include "culvert/hbone/traceparent.hpp"

#include <algorithm>
#include <span>

namespace culvert::hbone {
namespace {

constexpr std::size_t kTextBytes = 55;  // "00-" 32 "-" 16 "-" 2
constexpr std::string_view kHex = "0123456789abcdef";

bool read_hex(std::string_view text, std::span<std::uint8_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto high = kHex.find(text[2 * i]);
    const auto low = kHex.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

void append_hex(std::string& out, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) out.append({kHex[byte >> 4], kHex[byte & 15]});
}

bool all_zero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

void put(std::span<std::uint8_t> out, std::uint64_t word) {
  for (auto& byte : out) {
    byte = static_cast<std::uint8_t>(word >> 56);
    word <<= 8;
  }
}

}  // namespace

std::optional<TraceParent> TraceParent::parse(std::string_view text) {
  if (text.size() < kTextBytes) return std::nullopt;
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  TraceParent out;
  std::uint8_t version = 0;
  if (!read_hex(text.substr(0, 2), {&version, 1}) || version == 0xff) return std::nullopt;
  // Version 00 has nothing behind the flags; a later one may, after another '-'.
  if (text.size() > kTextBytes && (version == 0 || text[kTextBytes] != '-')) return std::nullopt;
  if (!read_hex(text.substr(3, 32), out.trace_id) ||
      !read_hex(text.substr(36, 16), out.parent_id) ||
      !read_hex(text.substr(53, 2), {&out.flags, 1})) {
    return std::nullopt;
  }
  if (all_zero(out.trace_id) || all_zero(out.parent_id)) return std::nullopt;
  return out;
}

std::string TraceParent::to_string() const {
  std::string out = "00-";
  append_hex(out, trace_id);
  out += '-';
  append_hex(out, parent_id);
  out += '-';
  append_hex(out, {&flags, 1});
  return out;
}

TraceParent TraceParent::from_random(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  TraceParent out;
  put(std::span(out.trace_id).first(8), a);
  put(std::span(out.trace_id).last(8), a == 0 && b == 0 ? 1 : b);
  put(out.parent_id, c == 0 ? 1 : c);
  return out;
}

}  // namespace culvert::hbone
