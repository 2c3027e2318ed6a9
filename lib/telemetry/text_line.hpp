// TextLine: a log line that is appended to, field by field. Each request makes one, so nothing is
// formatted, and the string's end is set once. Internal to lib/telemetry; any thread.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "culvert/base/ip.hpp"
#include "quoted.hpp"

namespace culvert::telemetry {

/// Decimal digits of a byte, and how many they are.
struct ByteDigits {
  std::array<char, 3> text{};
  std::uint8_t size = 0;
};
inline constexpr auto kByteDigits = [] {
  std::array<ByteDigits, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    ByteDigits& one = table[byte];
    const auto digit = [](std::size_t value) { return static_cast<char>('0' + value % 10); };
    if (byte >= 100) one.text[one.size++] = digit(byte / 100);
    if (byte >= 10) one.text[one.size++] = digit(byte / 10);
    one.text[one.size++] = digit(byte);
  }
  return table;
}();

class TextLine {
 public:
  /// Behind what is in `out`, which is longer than the line until end().
  TextLine(std::string& out, std::size_t usual_bytes) : out_(out), size_(out.size()) {
    make_room(usual_bytes);
  }
  TextLine(const TextLine&) = delete;
  TextLine& operator=(const TextLine&) = delete;
  /// Last, once.
  void end() { out_.resize(size_); }

  void put(char c) { *room(1) = c; }
  void text(std::string_view text) { std::memcpy(room(text.size()), text.data(), text.size()); }
  void number(std::uint64_t value) {
    if (value < kByteDigits.size()) return digits(static_cast<std::uint8_t>(value));
    constexpr std::size_t kMostDigits = 20;
    char* const at = room(kMostDigits);
    size_ -=
        static_cast<std::size_t>(at + kMostDigits - std::to_chars(at, at + kMostDigits, value).ptr);
  }
  void address(const SocketAddress& value) {
    if (!value.ip.is_v4()) return text(value.to_string());
    constexpr std::size_t kFirst = 12;  // of an IPv4 address in the sixteen bytes
    for (std::size_t at = kFirst; at < value.ip.bytes.size(); ++at) {
      digits(value.ip.bytes[at]);
      put(at + 1 < value.ip.bytes.size() ? '.' : ':');
    }
    number(value.port);
  }
  /// As append_escaped().
  void escaped(std::string_view value) {
    if (is_plain(value)) return text(value);
    out_.resize(size_);
    append_escaped(out_, value);
    size_ = out_.size();
  }

 private:
  void digits(std::uint8_t byte) {
    const ByteDigits& known = kByteDigits[byte];
    std::memcpy(room(known.text.size()), known.text.data(), known.text.size());
    size_ -= known.text.size() - known.size;
  }
  void make_room(std::size_t bytes) { out_.resize(size_ + 2 * bytes); }
  char* room(std::size_t bytes) {
    if (out_.size() - size_ < bytes) make_room(bytes);
    char* const at = out_.data() + size_;
    size_ += bytes;
    return at;
  }

  std::string& out_;
  std::size_t size_;  // of the line so far
};

}  // namespace culvert::telemetry
