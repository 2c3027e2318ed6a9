// Bodies of HTTP/2 and gRPC are read as they were sent, however they are cut; anything else is
// noticed.
#include "bench/message.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

using namespace culvert::bench;

namespace {

std::string all_of(MessageSource source, std::size_t at_once) {
  std::string out;
  std::array<std::uint8_t, 4096> buffer;
  while (!source.ended()) {
    const std::size_t n = source.read(std::span(buffer).first(at_once));
    out.append(reinterpret_cast<const char*>(buffer.data()), n);
  }
  return out;
}

bool accepted(std::string_view bytes, std::uint64_t stream, std::uint64_t size, bool grpc,
              std::size_t at_once) {
  MessageCheck check(stream, size, grpc);
  for (std::size_t at = 0; at < bytes.size(); at += at_once)
    if (!check.take(bytes.substr(at, at_once))) return false;
  return check.whole();
}

}  // namespace

TEST_CASE("a message is the same however it is cut, and its check takes it so") {
  for (const bool grpc : {false, true}) {
    const std::string whole = all_of(MessageSource(7, 3000, grpc), 4096);
    CHECK(whole.size() == 3000 + (grpc ? kGrpcPrefixBytes : 0));
    for (const std::size_t at_once : {1U, 4U, 5U, 6U, 1000U}) {
      CHECK(all_of(MessageSource(7, 3000, grpc), at_once) == whole);
      CHECK(accepted(whole, 7, 3000, grpc, at_once));
    }
  }
  CHECK(grpc_prefix(0x01020304) == std::string("\0\x01\x02\x03\x04", 5));
}

TEST_CASE("a changed, a missing and a further byte of a message are noticed") {
  const std::string whole = all_of(MessageSource(7, 100, true), 4096);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] ^= 1;
    CHECK_FALSE(accepted(changed, 7, 100, true, 9));
    CHECK_FALSE(accepted(whole.substr(0, at), 7, 100, true, 9));
  }
  CHECK_FALSE(accepted(whole + "x", 7, 100, true, 9));
  CHECK_FALSE(accepted(whole, 8, 100, true, 9));
}
