#include "culvert/grpc/framing.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace culvert::grpc;

namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string framed(std::string_view message) {
  const auto prefix = frame_prefix(message.size());
  return std::string(prefix.begin(), prefix.end()) + std::string(message);
}

std::vector<std::string> feed(Deframer& deframer, std::string_view wire) {
  std::vector<std::string> messages;
  auto bytes = bytes_of(wire);
  while (true) {
    bytes = bytes.subspan(deframer.feed(bytes));
    auto message = deframer.next();
    if (!message) return messages;
    messages.push_back(std::move(*message));
  }
}

}  // namespace

TEST_CASE("messages cut in two at every byte offset come out whole and in order") {
  const std::vector<std::string> sent = {"first", "", std::string(300, 'x'), "last"};
  std::string wire;
  for (const auto& message : sent) wire += framed(message);
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    Deframer deframer(1000);
    auto got = feed(deframer, std::string_view(wire).substr(0, cut));
    for (auto& message : feed(deframer, std::string_view(wire).substr(cut))) got.push_back(message);
    CHECK(got == sent);
    CHECK(deframer.at_boundary());
  }
}

TEST_CASE("messages fed byte by byte come out whole") {
  Deframer deframer(1000);
  std::vector<std::string> got;
  for (const char c : framed("ab") + framed("") + framed("c")) {
    for (auto& message : feed(deframer, std::string_view(&c, 1))) got.push_back(message);
  }
  CHECK(got == std::vector<std::string>{"ab", "", "c"});
}

TEST_CASE(
    "a message above the bound and a compressed one are refused, with their status, for good") {
  Deframer small(10);
  CHECK(feed(small, framed("0123456789")).size() == 1);
  CHECK(feed(small, framed("0123456789a")).empty());
  CHECK(small.status().code == StatusCode::kResourceExhausted);
  CHECK(feed(small, framed("ok")).empty());
  Deframer compressed(10);
  CHECK(feed(compressed, std::string("\1\0\0\0\1x", 6)).empty());
  CHECK(compressed.status().code == StatusCode::kUnimplemented);
}

TEST_CASE("a prefix alone claims no memory and is no boundary") {
  Deframer deframer(SIZE_MAX);
  CHECK(feed(deframer, std::string("\0\xff\xff\xff\xff", 5)).empty());
  CHECK(deframer.status().ok());
  CHECK(!deframer.at_boundary());
}

TEST_CASE("grpc-message survives its encoding, and hostile escapes stay as they are") {
  const std::string text = "50% of caf\xc3\xa9\r\n";
  CHECK(encode_message(text) == "50%25 of caf%C3%A9%0D%0A");
  CHECK(decode_message(encode_message(text)) == text);
  CHECK(decode_message("%") == "%");
  CHECK(decode_message("%4") == "%4");
  CHECK(decode_message("%zz%41") == "%zzA");
}

TEST_CASE("grpc-timeout is read and written in every unit, and malformed ones are refused") {
  using namespace std::chrono_literals;
  CHECK(parse_timeout("10S") == 10s);
  CHECK(parse_timeout("99999999n") == 99'999'999ns);
  CHECK(parse_timeout("5m") == 5ms);
  CHECK(parse_timeout("7u") == 7us);
  CHECK(parse_timeout("2M") == 2min);
  CHECK(parse_timeout("1H") == 1h);
  CHECK(parse_timeout("99999999H") == std::chrono::nanoseconds::max());
  for (const auto* bad : {"", "S", "1", "-1S", "1s", "123456789S", "1 S", "0x1S"}) {
    CHECK(!parse_timeout(bad));
  }
  CHECK(format_timeout(10s) == "10000000u");
  CHECK(format_timeout(std::chrono::nanoseconds::max()) == "2562048H");
  CHECK(format_timeout(-1s) == "1n");
  CHECK(parse_timeout(format_timeout(90min)) == 90min);
}

TEST_CASE("an unknown grpc-status is UNKNOWN") {
  CHECK(parse_status_code("0") == StatusCode::kOk);
  CHECK(parse_status_code("16") == StatusCode::kUnauthenticated);
  for (const auto* bad : {"17", "-1", "", "7x", "999999999999"}) {
    CHECK(parse_status_code(bad) == StatusCode::kUnknown);
  }
}
