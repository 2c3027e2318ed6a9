// Bounds of a message that have names of their own: what is as large as allowed passes, what is
// larger by one does not.
#include <doctest/doctest.h>

#include "culvert/http/http1_reader.hpp"

using namespace culvert::http;

namespace {

// The reason why a request is refused; "" when its head is taken.
std::string refusal_of(const std::string& bytes) {
  RequestReader reader;
  std::span<const std::uint8_t> rest(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                     bytes.size());
  while (true) {
    const auto piece = reader.read(rest);
    if (!piece) return piece.error().text;
    rest = rest.subspan(piece->eaten);
    if (piece->found == Found::kEnd || (piece->found == Found::kMore && rest.empty())) return "";
  }
}

std::string request(const std::string& method, const std::string& fields) {
  return method + " / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

std::string options(std::size_t count) {
  std::string out = "Connection: close";
  for (std::size_t i = 1; i < count; ++i) out += ", x" + std::to_string(i);
  return out + "\r\n";
}

std::string length(std::size_t digits) {
  return "Content-Length: " + std::string(digits - 1, '0') + "1\r\n";
}

std::string chunk(std::size_t digits) {
  return request("POST", "Transfer-Encoding: chunked\r\n") + std::string(digits - 1, '0') +
         "1\r\na\r\n0\r\n\r\n";
}

}  // namespace

TEST_CASE("a method, options of a connection, lengths and chunk sizes are as long as they may be") {
  CHECK(refusal_of(request(std::string(kMaxMethodBytes, 'A'), "")).empty());
  CHECK(refusal_of(request(std::string(kMaxMethodBytes + 1, 'A'), "")) ==
        refusals::kMethodTooLong.text);
  CHECK(refusal_of(request("GET", options(kMaxConnectionOptions))).empty());
  CHECK(refusal_of(request("GET", options(kMaxConnectionOptions + 1))) ==
        refusals::kConnectionField.text);
  CHECK(refusal_of(request("POST", length(kMaxLengthDigits))).empty());
  CHECK(refusal_of(request("POST", length(kMaxLengthDigits + 1))) == refusals::kLength.text);
  CHECK(refusal_of(chunk(kMaxChunkSizeDigits)).empty());
  CHECK(refusal_of(chunk(kMaxChunkSizeDigits + 1)) == refusals::kChunkSizeTooLarge.text);
}
