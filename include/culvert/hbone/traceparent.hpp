// The `traceparent` header (W3C Trace Context section 3.2). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::hbone {

struct TraceParent {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> parent_id{};
  std::uint8_t flags = 0;

  /// Version 00, or a later one read as 00 (section 3.2.2). nullopt: another shape, capitals, an id
  /// of zeros, version ff.
  static std::optional<TraceParent> parse(std::string_view text);
  /// "00-<32 hex>-<16 hex>-00".
  std::string to_string() const;
  /// From three random words of the caller; never an id of zeros.
  static TraceParent from_random(std::uint64_t a, std::uint64_t b, std::uint64_t c);
  bool operator==(const TraceParent&) const = default;
};

}  // namespace culvert::hbone
