// Values of messages as our own types, clamped where a message did not pass our validators. Private
// to lib/l7.
#pragma once

#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "culvert/l7/random.hpp"

namespace culvert::l7 {

inline constexpr std::int64_t kMaxSeconds = std::int64_t{366} * 24 * 3600;

/// From 0 to a year; a part of a millisecond counts as one, so that nothing becomes zero.
inline std::chrono::milliseconds to_ms(const google::protobuf::Duration& duration) {
  const auto seconds = std::clamp<std::int64_t>(duration.seconds(), 0, kMaxSeconds);
  const auto nanos = std::clamp<std::int64_t>(duration.nanos(), 0, 999'999'999);
  return std::chrono::milliseconds(seconds * 1000 + (nanos + 999'999) / 1'000'000);
}

inline Share to_share(double percent) {
  return {static_cast<std::uint32_t>(std::clamp(percent, 0.0, 100.0) * 10'000)};
}

/// `limit` when it is positive, else `otherwise`: Istio cannot tell zero from absent.
inline std::uint32_t positive_or(std::int64_t limit, std::uint32_t otherwise) {
  return limit > 0 ? static_cast<std::uint32_t>(std::min<std::int64_t>(limit, UINT32_MAX))
                   : otherwise;
}

inline std::string lower_case(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace culvert::l7
