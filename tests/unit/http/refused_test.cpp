// Each row is refused for its own reason, wherever its bytes are cut.
#include <doctest/doctest.h>

#include "drive.hpp"
#include "refused_rows.hpp"

using namespace culvert::http;
using namespace culvert::http::testing;

namespace {

constexpr std::string_view kChunkedHead =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

// The whole, byte by byte, and in two parts cut at every offset.
template <class Read>
void check_refused(std::string_view bytes, const Refusal& refusal, Read read) {
  CAPTURE(std::string(bytes));
  const Story whole = read(bytes, std::string_view::npos, SIZE_MAX);
  REQUIRE(whole.refused);
  CHECK(whole.refusal.text == std::string_view(refusal.text));
  CHECK(whole.refusal.status == refusal.status);
  CHECK(read(bytes, 1, 1).text == whole.text);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CHECK(read(bytes, cut, SIZE_MAX).text == whole.text);
  }
}

void check_requests(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    check_refused(row.bytes, row.refusal,
                  [](std::string_view bytes, std::size_t first, std::size_t then) {
                    return requests(bytes, {}, first, then);
                  });
  }
}

}  // namespace

TEST_CASE("start lines that two parsers could read differently are refused") {
  check_requests(refused_start_lines());
}

TEST_CASE("field lines and hosts that two parsers could read differently are refused") {
  check_requests(refused_fields());
}

TEST_CASE(
    "lengths, codings and connection options that two parsers could read differently are refused") {
  check_requests(refused_framing());
}

TEST_CASE("chunks that two parsers could read differently are refused") {
  for (const Row& row : refused_chunks()) {
    const std::string bytes = std::string(kChunkedHead).append(row.bytes);
    check_refused(bytes, row.refusal,
                  [](std::string_view all, std::size_t first, std::size_t then) {
                    return requests(all, {}, first, then);
                  });
  }
}

TEST_CASE("responses that two parsers could read differently are refused") {
  for (const Row& row : refused_responses()) {
    check_refused(row.bytes, row.refusal,
                  [](std::string_view bytes, std::size_t first, std::size_t then) {
                    return responses(bytes, {}, {}, first, then);
                  });
  }
}

TEST_CASE("a request refused in its second of two is refused there") {
  const Story story =
      requests("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  CHECK(story.text == "GET http://a /1 1.1\nend [] keep\n400: there is more than one Host field\n");
}

TEST_CASE("every bound of a request's head is kept, and a head within it passes") {
  Limits limits;
  limits.head_bytes = 200;
  limits.target_bytes = 100;
  limits.fields = 3;
  const auto head = [](std::size_t target, std::size_t fields, std::size_t value) {
    std::string out = "GET /" + std::string(target - 1, 'p') + " HTTP/1.1\r\nHost: a\r\n";
    for (std::size_t i = 1; i < fields; ++i) out += "x: " + std::string(value, 'v') + "\r\n";
    return out + "\r\n";
  };
  const auto refusal = [&](const std::string& bytes, std::size_t then) {
    const Story story = requests(bytes, limits, then, then);
    return story.refused ? story.refusal : Refusal{0, ""};
  };
  for (const std::size_t then : {std::size_t{1}, std::size_t{7}, std::string_view::npos}) {
    CHECK(refusal(head(100, 3, 1), then).status == 0);
    CHECK(refusal(head(101, 3, 1), then) == refusals::kTargetTooLong);
    CHECK(refusal(head(1000, 3, 1), then) == refusals::kTargetTooLong);
    CHECK(refusal(head(1, 4, 1), then) == refusals::kTooManyFields);
    const std::string exact = head(1, 2, 200 - head(1, 2, 0).size());
    REQUIRE(exact.size() == 200);
    CHECK(refusal(exact, then).status == 0);
    CHECK(refusal(head(1, 2, 201 - head(1, 2, 0).size()), then) == refusals::kHeadTooLong);
    CHECK(refusal(head(1, 2, 5000), then) == refusals::kHeadTooLong);
  }
}

TEST_CASE("every bound of a chunked body's framing is kept") {
  Limits limits;
  limits.chunk_extension_bytes = 10;
  limits.trailer_bytes = 20;
  limits.fields = 2;  // in the head too
  const auto read = [&](std::string_view chunks, std::size_t then) {
    const Story story = requests(std::string(kChunkedHead).append(chunks), limits, then, then);
    return story.refused ? story.refusal : Refusal{0, ""};
  };
  for (const std::size_t then : {std::size_t{1}, std::string_view::npos}) {
    CHECK(read("1;12345\r\na\r\n0;12345\r\n\r\n", then).status == 0);
    CHECK(read("1;12345\r\na\r\n0;123456\r\n\r\n", then) == refusals::kChunkExtensionsTooLong);
    CHECK(read("0\r\na:b\r\nc:d\r\n\r\n", then).status == 0);
    CHECK(read("0\r\na:b\r\nc:d\r\ne:f\r\n\r\n", then) == refusals::kTooManyFields);
    CHECK(read("0\r\nabc: 12345678901\r\n\r\n", then).status == 0);  // 20 bytes
    CHECK(read("0\r\nabc: 123456789012\r\n\r\n", then) == refusals::kTrailersTooLong);
  }
}

TEST_CASE("informational responses are bounded in number") {
  std::string bytes;
  for (std::size_t i = 0; i < kMaxInformational; ++i) bytes += "HTTP/1.1 103 Early\r\n\r\n";
  const std::string_view end = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  CHECK_FALSE(responses(bytes + std::string(end)).refused);
  const Story story = responses(bytes + "HTTP/1.1 103 Early\r\n\r\n" + std::string(end));
  CHECK(story.refusal == refusals::kTooManyInformational);
}

TEST_CASE("a refusal is an error of its sender: a bound or a breach of protocol") {
  using culvert::ErrorCode;
  using culvert::Origin;
  CHECK(refusals::kHeadTooLong.error(Origin::kClient).code == ErrorCode::kLimit);
  CHECK(refusals::kHeadTimeout.error(Origin::kClient).code == ErrorCode::kLimit);
  CHECK(refusals::kBareLf.error(Origin::kUpstream).code == ErrorCode::kProtocol);
  CHECK(refusals::kBareLf.error(Origin::kUpstream).origin == Origin::kUpstream);
}
