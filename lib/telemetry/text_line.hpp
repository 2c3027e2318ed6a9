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
#include <utility>

#include "culvert/base/ip.hpp"
#include "quoted.hpp"

namespace culvert::telemetry {

/// Decimal digits of a byte, and how many they are.
struct ByteDigits {
  std::array<char, 4> text{};  // the last is none: four are copied in one step
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
  TextLine(std::string& out, std::size_t usual_bytes) : out_(out) {
    make_room(out.size(), usual_bytes);
  }
  TextLine(const TextLine&) = delete;
  TextLine& operator=(const TextLine&) = delete;
  /// Last, once.
  void end() { out_.resize(size()); }

  void put(char c) { *room(1) = c; }
  void text(std::string_view text) { std::memcpy(room(text.size()), text.data(), text.size()); }
  void number(std::uint64_t value) {
    if (value < kByteDigits.size()) return digits(static_cast<std::uint8_t>(value));
    constexpr std::size_t kMostDigits = 20;
    char* const at = room(kMostDigits);
    at_ = std::to_chars(at, at_, value).ptr;
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
    out_.resize(size());
    append_escaped(out_, value);
    make_room(out_.size(), 0);
  }

 private:
  void digits(std::uint8_t byte) {
    const ByteDigits& known = kByteDigits[byte];
    std::memcpy(room(known.text.size()), known.text.data(), known.text.size());
    at_ -= known.text.size() - known.size;
  }
  std::size_t size() const { return static_cast<std::size_t>(at_ - out_.data()); }
  /// For so many bytes, twice, behind the first `size`.
  [[gnu::noinline]] void make_room(std::size_t size, std::size_t bytes) {
    out_.resize(size + 2 * bytes);
    at_ = out_.data() + size;
    end_ = out_.data() + out_.size();
  }
  char* room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) [[unlikely]]
      make_room(size(), bytes);
    return std::exchange(at_, at_ + bytes);
  }

  std::string& out_;
  char* at_ = nullptr;   // the end of the line so far
  char* end_ = nullptr;  // of the room
};

}  // namespace culvert::telemetry
