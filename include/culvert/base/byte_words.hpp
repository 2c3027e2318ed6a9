// Eight bytes of text in one word: whether any of them is one of a few. Heads and log lines ask it
// of every byte that passes; byte by byte that was a tenth of a request. Pure; any thread.
// Source: H. Warren, Hacker's Delight, section 6-1 (finding a zero byte).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace culvert {

inline constexpr std::size_t kByteWordBytes = 8;

/// Eight times `byte`.
constexpr std::uint64_t each_byte(std::uint8_t byte) {
  return 0x0101010101010101U * byte;
}
inline constexpr std::uint64_t kTopBits = each_byte(0x80);

/// Not zero when a byte of `word` is `byte`.
constexpr std::uint64_t has_byte(std::uint64_t word, std::uint8_t byte) {
  const std::uint64_t zero_there = word ^ each_byte(byte);
  return (zero_there - each_byte(1)) & ~zero_there & kTopBits;
}
/// Not zero when a byte of `word` is less than `bound`, which is 128 at most.
constexpr std::uint64_t has_less(std::uint64_t word, std::uint8_t bound) {
  return (word - each_byte(bound)) & ~word & kTopBits;
}
/// Not zero when a byte of `word` is more than `low` and less than `high`, which are at most 127
/// and 128.
constexpr std::uint64_t has_between(std::uint64_t word, std::uint8_t low, std::uint8_t high) {
  const std::uint64_t without_top = word & ~kTopBits;
  return (each_byte(static_cast<std::uint8_t>(127 + high)) - without_top) & ~word &
         (without_top + each_byte(static_cast<std::uint8_t>(127 - low))) & kTopBits;
}
/// Not zero when a byte of `word` is 128 or more.
constexpr std::uint64_t has_high(std::uint64_t word) {
  return word & kTopBits;
}

/// Fewer than eight bytes, and one at least, as a word: they fill it, some of them more than once.
inline std::uint64_t short_word(std::string_view text) {
  const char* const at = text.data();
  const std::size_t size = text.size();
  constexpr std::size_t kHalf = sizeof(std::uint32_t);
  if (size >= kHalf) {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, at, kHalf);
    std::memcpy(&last, at + size - kHalf, kHalf);
    return std::uint64_t{last} << 32U | first;
  }
  const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<std::uint8_t>(at[i])}; };
  const std::uint64_t two = byte(0) | byte(size - 1) << 8U;
  return two | byte(size / 2) << 16U | two << 24U | two << 40U | byte(0) << 56U;
}

/// Whether `found(word)` is not zero for one of the words that make up `text`. What a word has more
/// than the text are bytes of the text again.
template <class Found>
bool any_word(std::string_view text, Found found) {
  if (text.size() < kByteWordBytes) return !text.empty() && found(short_word(text)) != 0;
  const char* at = text.data();
  const char* const last = at + text.size() - kByteWordBytes;
  std::uint64_t word = 0;
  for (; at < last; at += kByteWordBytes) {
    std::memcpy(&word, at, sizeof word);
    if (found(word) != 0) return true;
  }
  std::memcpy(&word, last, sizeof word);
  return found(word) != 0;
}

}  // namespace culvert
