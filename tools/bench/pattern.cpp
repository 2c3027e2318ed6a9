#include "bench/pattern.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace culvert::bench {
namespace {

constexpr std::uint64_t kStreamStep = 7'919;  // how far apart two neighbors start

struct Table {
  char bytes[kPatternPeriod + kSpanBytes];
};

// splitmix64 (Steele, Lea, Flood 2014), repeated after the period so that every span is one piece.
const Table& table() {
  static const std::unique_ptr<const Table> made = [] {
    auto out = std::make_unique<Table>();
    std::uint64_t state = 0x43756c76657274ULL;
    for (std::size_t i = 0; i < kPatternPeriod; ++i) {
      std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
      out->bytes[i] = static_cast<char>(z >> 56);
    }
    for (std::size_t i = kPatternPeriod; i < sizeof out->bytes; ++i)
      out->bytes[i] = out->bytes[i - kPatternPeriod];
    return out;
  }();
  return *made;
}

}  // namespace

std::string_view pattern(std::uint64_t stream, std::uint64_t offset) {
  const std::uint64_t start = stream % kPatternPeriod * kStreamStep + offset % kPatternPeriod;
  return {table().bytes + start % kPatternPeriod, kSpanBytes};
}

bool PatternCheck::take(std::string_view piece) {
  if (piece.size() > kSpanBytes) return false;
  const std::string_view wanted = pattern(stream_, bytes_).substr(0, piece.size());
  bytes_ += piece.size();
  const bool whole = every_byte_ || pieces_++ % kFullEvery == 0 || piece.size() <= 2 * kEndBytes;
  if (whole) return piece == wanted;
  return piece.substr(0, kEndBytes) == wanted.substr(0, kEndBytes) &&
         piece.substr(piece.size() - kEndBytes) == wanted.substr(wanted.size() - kEndBytes);
}

}  // namespace culvert::bench
