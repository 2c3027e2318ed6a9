// Responses that are taken, and where they end.
#include <doctest/doctest.h>

#include "drive.hpp"

using namespace culvert::http;
using namespace culvert::http::testing;

namespace {

struct Row {
  std::string_view bytes;
  std::string_view story;
  Asked asked = {};
  std::string_view after = {};
};

const Row kTaken[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\nab",
     "200 1.1 server=[x] body:2\nend [ab] keep\n"},
    {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 1.1 no-body:0\nend [] keep\n"},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 1.1 no-body:0\nend [] keep\n"},
    {"HTTP/1.1 999 \xc3\xa9 \t!\r\nContent-Length: 0\r\n\r\n", "999 1.1 no-body:0\nend [] keep\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n",
     "200 1.1 body:?\nend [a] x=[y] keep\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
     "200 1.1 no-body:0\nend [] close\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nHost: x\r\n\r\n",
     "200 1.1 host=[x] no-body:0\nend [] keep\n"},
    // The end of the connection is the body's.
    {"HTTP/1.1 200 OK\r\n\r\nabc", "200 1.1 body:?\nend [abc] close\n"},
    {"HTTP/1.1 200 OK\r\n\r\n", "200 1.1 body:?\nend [] close\n"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 1.0 body:1\nend [a] close\n"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
     "200 1.0 body:1\nend [a] keep\n"},
    // No body, whatever the head says.
    {"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "204 1.1\nend [] keep\n204 1.1\nend [] keep\n"},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
     "304 1.1 no-body:5\nend [] keep\n304 1.1\nend [] keep\n"},
    {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304 1.1\nend [] keep\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
     "chunked\r\n\r\n"
     "HTTP/1.1 404 No\r\n\r\n",
     "200 1.1 no-body:5\nend [] keep\n200 1.1\nend [] keep\n404 1.1\nend [] keep\n",
     {.head = true}},
    // Informational ones come before.
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
     "100 1.1\n103 1.1 link=[</a>]\n200 1.1 body:1\nend [a] keep\n"},
    {"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
     "100 1.1\n204 1.1\nend [] keep\n"},
    // After 101 it is no more HTTP.
    {"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
     "Sec-WebSocket-Accept: x\r\n\r\n\x81\x05hello",
     "101 1.1 sec-websocket-accept=[x] upgrade:websocket\nend [] close\n",
     {.upgrade = "websocket"},
     "\x81\x05hello"},
    {"HTTP/1.1 400 No\r\nContent-Length: 1\r\n\r\na",
     "400 1.1 body:1\nend [a] keep\n",
     {.upgrade = "websocket"}},
};

}  // namespace

TEST_CASE("responses end where the RFCs say, wherever their bytes are cut") {
  for (const Row& row : kTaken) {
    CAPTURE(std::string(row.bytes));
    const Story whole = responses(row.bytes, row.asked);
    CHECK(whole.text == row.story);
    CHECK(whole.after == row.after);
    CHECK(responses(row.bytes, row.asked, {}, 1, 1).text == row.story);
    for (std::size_t cut = 0; cut <= row.bytes.size(); ++cut) {
      const Story story = responses(row.bytes, row.asked, {}, cut);
      CHECK(story.text == row.story);
      CHECK(story.after == row.after);
    }
  }
}

TEST_CASE("a connection whose end is the body's is known not to be kept with the head already") {
  ResponseReader reader;
  reader.next(false);
  REQUIRE(reader.read(bytes_of("HTTP/1.1 200 OK\r\n\r\n"))->found == Found::kHead);
  CHECK_FALSE(reader.keep_alive());
  reader.next(false);
  REQUIRE(reader.read(bytes_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"))->found ==
          Found::kHead);
  CHECK(reader.keep_alive());
}

TEST_CASE("a 101 for another upgrade than was asked for is refused") {
  const auto bytes = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
  CHECK(responses(bytes, {.upgrade = "websocket"}).refusal == refusals::kUnaskedUpgrade);
  const auto unnamed = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n";
  CHECK(responses(unnamed, {.upgrade = "websocket"}).refusal == refusals::kUnaskedUpgrade);
}

TEST_CASE("bytes that nobody asked for are left in the input") {
  ResponseReader reader;
  reader.next(false);
  const std::string_view bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n";
  auto input = bytes_of(bytes);
  for (int i = 0; i < 3; ++i) input = input.subspan(reader.read(input)->eaten);
  CHECK(text_of(input) == "HTTP/1.1 200 OK\r\n");
}
