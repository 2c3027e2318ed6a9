// The pattern shows every way in which bytes can arrive wrong.
#include "bench/pattern.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace culvert::bench;

namespace {

constexpr std::size_t kPiece = 16'384;

// Whether a check notices when `received` arrives in pieces.
bool accepted(const std::string& received, bool every_byte) {
  PatternCheck check(7, every_byte);
  bool right = true;
  for (std::size_t at = 0; at < received.size(); at += kPiece)
    right = check.take(std::string_view(received).substr(at, kPiece)) && right;
  return right;
}

std::string sent(std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += pattern(7, out.size());
  out.resize(bytes);
  return out;
}

}  // namespace

TEST_CASE("what arrives as it was sent is accepted, in pieces of any size") {
  const std::string all = sent(600'000);
  CHECK(accepted(all, true));
  CHECK(accepted(all, false));
  PatternCheck check(7, true);
  std::size_t at = 0;
  for (std::size_t size = 1; at + size <= all.size(); size += 97) {
    REQUIRE(check.take(std::string_view(all).substr(at, size)));
    at += size;
  }
  CHECK(check.bytes() == at);
}

TEST_CASE(
    "bytes that are lost, doubled, swapped or of another stream are noticed by a sample too") {
  const std::string all = sent(40 * kPiece);
  const auto piece = [&](std::size_t i) { return all.substr(i * kPiece, kPiece); };
  for (const bool every_byte : {true, false}) {
    CAPTURE(every_byte);
    CHECK_FALSE(accepted(all.substr(0, 5 * kPiece) + all.substr(6 * kPiece), every_byte));
    CHECK_FALSE(accepted(all.substr(0, 5 * kPiece + 1) + all.substr(5 * kPiece + 2), every_byte));
    CHECK_FALSE(accepted(all.substr(0, 6 * kPiece) + all.substr(5 * kPiece), every_byte));
    CHECK_FALSE(accepted(all.substr(0, 5 * kPiece) + piece(6) + piece(5) + all.substr(7 * kPiece),
                         every_byte));
  }
  PatternCheck other(8);
  CHECK_FALSE(other.take(piece(0)));
}

TEST_CASE("one changed byte is noticed where every byte is compared") {
  std::string all = sent(4 * kPiece);
  all[2 * kPiece + kPiece / 2] ^= 1;
  CHECK_FALSE(accepted(all, true));
}

TEST_CASE("a piece longer than a span is refused, not read beyond the table") {
  PatternCheck check(0, true);
  CHECK_FALSE(check.take(std::string(kSpanBytes + 1, 'x')));
}
