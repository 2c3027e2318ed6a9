// Requests that are taken, and what is made of them.
#include <doctest/doctest.h>

#include "drive.hpp"

using namespace culvert::http;
using namespace culvert::http::testing;

namespace {

struct Row {
  std::string_view bytes;
  std::string_view story;
};

const Row kTaken[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a / 1.1\nend [] keep\n"},
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a / 1.1\nend [] keep\n"},
    {"get /%zz?a=1&b={}|^ HTTP/1.1\r\nHOST: A.Example:8080\r\n\r\n",
     "get http://A.Example:8080 /%zz?a=1&b={}|^ 1.1\nend [] keep\n"},
    {"GET // HTTP/1.1\r\nHost: [fd00::1]:80\r\n\r\n",
     "GET http://[fd00::1]:80 // 1.1\nend [] keep\n"},
    {"!#$%&'*+-.^_`|~19azAZ / HTTP/1.1\r\nHost: a\r\n\r\n",
     "!#$%&'*+-.^_`|~19azAZ http://a / 1.1\nend [] keep\n"},
    // Spaces around values; names in lower case, values as they are; the order is kept.
    {"GET / HTTP/1.1\r\nHost:a \t\r\nX-B:\t b c \t d\t\r\nx-a:\r\nX-B: \xc3\xa9\r\n\r\n",
     "GET http://a / 1.1 x-b=[b c \t d] x-a=[] x-b=[\xc3\xa9]\nend [] keep\n"},
    // Bodies.
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
     "POST http://a / 1.1 body:3\nend [abc] keep\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
     "POST http://a / 1.1 no-body:0\nend [] keep\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\n\r\nabc",
     "POST http://a / 1.1 body:3\nend [abc] keep\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n000A;x=\"1 "
     "\t2\";y\r\n"
     "0123456789\r\n00\r\n\r\n",
     "POST http://a / 1.1 body:?\nend [abc0123456789] keep\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nx-sum: 2 "
     "\r\n\r\n",
     "POST http://a / 1.1 body:?\nend [] x-sum=[1] x-sum=[2] keep\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
     "GET http://a / 1.1 body:1\nend [x] keep\n"},
    // Forms of targets.
    {"GET http://A/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://A /x?y 1.1\nend [] keep\n"},
    {"GET HTTPS://a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "GET https://a:443 / 1.1\nend [] keep\n"},
    {"GET http://a?x=/ HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET http://a /?x=/ 1.1\nend [] keep\n"},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS http://a * 1.1\nend [] keep\n"},
    {"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS http://a * 1.1\nend [] keep\n"},
    {"GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a /http://b/ 1.1\nend [] keep\n"},
    // Connections.
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
     "GET http://a / 1.1\nend [] close\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,keep-alive , ,X-Hop\r\nX-hop: 1\r\nx-hop: 2\r\n"
     "x-end: 3\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nHTTP2-Settings: y\r\n\r\n",
     "GET http://a / 1.1 x-end=[3]\nend [] keep\n"},
    {"GET / HTTP/1.0\r\n\r\n", "GET http:// / 1.0\nend [] close\n"},
    {"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
     "GET http://a / 1.0\nend [] keep\n"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
     "GET http:// / 1.0\nend [] close\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
     "GET http://a / 1.1 te=[trailers]\nend [] keep\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nTE: gzip\r\n\r\n", "GET http://a / 1.1\nend [] keep\n"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
     "POST http://a / 1.1 expect=[100-Continue] body:1 continue?\nend [x] keep\n"},
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
     "POST http:// / 1.0 body:1\nend [x] close\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
     "Sec-WebSocket-Version: 13\r\n\r\n",
     "GET http://a / 1.1 sec-websocket-version=[13] upgrade:websocket\nend [] keep\n"},
    // Other upgrades are declined, as is one that Connection does not name.
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
     "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
     "GET http://a / 1.1\nend [] keep\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: "
     "websocket\r\n\r\n",
     "GET http://a / 1.1\nend [] keep\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
     "GET http://a / 1.1\nend [] keep\n"},
    {"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET http://a / 1.0\nend [] close\n"},
};

}  // namespace

TEST_CASE("requests are read as the RFCs say, wherever their bytes are cut") {
  for (const Row& row : kTaken) {
    CAPTURE(std::string(row.bytes));
    CHECK(requests(row.bytes).text == row.story);
    CHECK(requests(row.bytes, {}, 1, 1).text == row.story);
    for (std::size_t cut = 0; cut <= row.bytes.size(); ++cut) {
      CHECK(requests(row.bytes, {}, cut).text == row.story);
    }
  }
}

TEST_CASE("pipelined requests are read one after the other, wherever their bytes are cut") {
  std::string bytes, story;
  for (const Row& row : kTaken) {
    if (!row.story.ends_with("keep\n")) continue;
    bytes += row.bytes;
    story += row.story;
  }
  CHECK(requests(bytes).text == story);
  for (const std::size_t size : {1, 2, 3, 5, 7, 11, 64, 1000}) {
    CHECK(requests(bytes, {}, size, size).text == story);
  }
}

TEST_CASE("a body is handed on as views of the input, and nothing of the next request is eaten") {
  RequestReader reader;
  const std::string_view bytes =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET";
  auto input = bytes_of(bytes);
  auto piece = reader.read(input);
  REQUIRE(piece->found == Found::kHead);
  input = input.subspan(piece->eaten);
  piece = reader.read(input);
  REQUIRE(piece->found == Found::kBody);
  CHECK(text_of(piece->body) == "hello");
  CHECK(piece->body.data() == input.data() + 3);
  input = input.subspan(piece->eaten);
  piece = reader.read(input);
  REQUIRE(piece->found == Found::kEnd);
  CHECK(text_of(input.subspan(piece->eaten)) == "GET");
}

TEST_CASE("the end of a connection is in order between requests only") {
  RequestReader reader;
  CHECK(reader.idle());
  CHECK(reader.finish());
  REQUIRE(reader.read(bytes_of("G"))->found == Found::kMore);
  CHECK_FALSE(reader.idle());
  CHECK(reader.finish().error() == refusals::kTruncated);
  REQUIRE(reader.read(bytes_of("ET / HTTP/1.1\r\nHost: a\r\n\r\n"))->found == Found::kHead);
  CHECK_FALSE(reader.finish());
  REQUIRE(reader.read({})->found == Found::kEnd);
  CHECK(reader.finish());
  reader.next();
  CHECK(reader.idle());
}

TEST_CASE("the longest body that a length can say is taken") {
  RequestReader reader;
  const std::string_view head =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n";
  REQUIRE(reader.read(bytes_of(head))->found == Found::kHead);
  CHECK(reader.head().body.length == kMaxBodyBytes);
  CHECK(reader.read(bytes_of("abc"))->body.size() == 3);
}
