// Property: what a fuzz target asserts about the code under test, and how it reads its input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace culvert::fuzz {

/// Ends the process when the property does not hold, so that libFuzzer keeps the input.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "the property does not hold: %s\n", property);
  std::abort();
}

inline std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Takes the first byte away; 0 when there is none.
inline std::uint8_t take_byte(std::span<const std::uint8_t>& input) {
  if (input.empty()) return 0;
  const std::uint8_t first = input.front();
  input = input.subspan(1);
  return first;
}

/// Calls `with(part)` for `input` in parts of `size` bytes, the last one maybe shorter.
template <class With>
void in_parts(std::span<const std::uint8_t> input, std::size_t size, With with) {
  while (!input.empty()) {
    const auto part = input.first(size < input.size() ? size : input.size());
    with(part);
    input = input.subspan(part.size());
  }
}

}  // namespace culvert::fuzz
