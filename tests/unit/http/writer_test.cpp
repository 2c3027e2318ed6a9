// What is written reads back as it was, and only what can be read without doubt is written.
#include <doctest/doctest.h>

#include "culvert/http/http1_writer.hpp"
#include "drive.hpp"

using namespace culvert::http;
using namespace culvert::http::testing;

namespace {

RequestHead request(std::string method, std::string path, Body body = {}) {
  RequestHead head;
  head.method = std::move(method);
  head.scheme = "http";
  head.authority = "a:80";
  head.path = std::move(path);
  head.body = body;
  return head;
}

ResponseHead response(std::uint16_t status, Body body = {}) {
  ResponseHead head;
  head.status = status;
  head.body = body;
  return head;
}

constexpr Body kStreamed{.present = true};
constexpr Body body_of(std::uint64_t length) {
  return {.present = length > 0, .length = length};
}

void append_body(std::string& out, Framing framing, std::string_view body, const Fields& trailers) {
  if (framing != Framing::kChunked) {
    if (framing != Framing::kNone) out += body;
    return;
  }
  for (std::size_t at = 0; at < body.size(); at += 4) {
    const auto part = body.substr(at, 4);
    out.append(ChunkHead(part.size()).text()).append(part).append(kChunkEnd);
  }
  append_last_chunk(trailers, out);
}

struct Framed {
  ResponseHead head;
  Answered answered;
  std::string_view head_bytes;
  Framing framing;
  bool keep_alive;
};

void check_framed(std::span<const Framed> rows) {
  for (const Framed& row : rows) {
    CAPTURE(std::string(row.head_bytes));
    std::string out;
    const auto written = append_response(row.head, row.answered, out);
    CHECK(out == row.head_bytes);
    CHECK(written.framing == row.framing);
    CHECK(written.keep_alive == row.keep_alive);
  }
}

}  // namespace

TEST_CASE("a request is written as it will be read") {
  RequestHead head = request("POST", "/x?y", body_of(3));
  REQUIRE(head.fields.add("X-Name", "value"));
  std::string out;
  CHECK(append_request(head, true, out) == Framing::kLength);
  CHECK(out == "POST /x?y HTTP/1.1\r\nhost: a:80\r\nx-name: value\r\ncontent-length: 3\r\n\r\n");
  CHECK(requests(out + "abc").text == text_of(head) + "\nend [abc] keep\n");
}

TEST_CASE("each kind of request body has its framing, and reads back with its trailers") {
  Fields trailers;
  REQUIRE(trailers.add("x-sum", "1"));
  struct Row {
    Body body;
    Framing framing;
    std::string_view story;
  };
  for (const Row& row :
       {Row{{}, Framing::kNone, "\nend [] close\n"},
        Row{body_of(0), Framing::kNone, " no-body:0\nend [] close\n"},
        Row{body_of(10), Framing::kLength, " body:10\nend [0123456789] close\n"},
        Row{kStreamed, Framing::kChunked, " body:?\nend [0123456789] x-sum=[1] close\n"}}) {
    std::string out;
    const auto framing = append_request(request("PUT", "/", row.body), false, out);
    REQUIRE(framing == row.framing);
    append_body(out, *framing, "0123456789", trailers);
    CHECK(requests(out).text == "PUT http://a:80 / 1.1" + std::string(row.story));
  }
}

TEST_CASE("upgrades, TE and closing share one Connection field") {
  RequestHead head = request("GET", "/");
  REQUIRE(head.fields.add("te", "trailers"));
  std::string out;
  append_request(head, true, out);
  CHECK(out == "GET / HTTP/1.1\r\nhost: a:80\r\nte: trailers\r\nconnection: te\r\n\r\n");
  out.clear();
  append_request(head, false, out);
  CHECK(out.contains("\r\nconnection: close, te\r\n"));
  head.upgrade = "websocket";
  out.clear();
  append_request(head, true, out);
  CHECK(out.contains("\r\nconnection: upgrade, te\r\nupgrade: websocket\r\n\r\n"));
  CHECK(requests(out).text == text_of(head) + "\nend [] keep\n");
}

TEST_CASE("what cannot stand in a request is not written") {
  std::string out = "before";
  const auto refused = [&](auto change) {
    RequestHead head = request("GET", "/");
    change(head);
    return !append_request(head, true, out) && out == "before";
  };
  CHECK(refused([](RequestHead& head) { head.method = "GE T"; }));
  CHECK(refused([](RequestHead& head) { head.method = ""; }));
  CHECK(refused([](RequestHead& head) { head.method = "CONNECT"; }));
  CHECK(refused([](RequestHead& head) { head.path = "/a b"; }));
  CHECK(refused([](RequestHead& head) { head.path = "/a\r\nx: y"; }));
  CHECK(refused([](RequestHead& head) { head.path = "/a#b"; }));
  CHECK(refused([](RequestHead& head) { head.path = ""; }));
  CHECK(refused([](RequestHead& head) { head.path = "x"; }));
  CHECK(refused([](RequestHead& head) { head.authority = "a\r\nx: y"; }));
  CHECK(refused([](RequestHead& head) { head.authority = "u@a"; }));
  CHECK(refused([](RequestHead& head) { head.authority = ""; }));
  CHECK(refused([](RequestHead& head) { head.upgrade = "a b"; }));
}

TEST_CASE("responses are framed for who asked") {
  const Framed rows[] = {
      {response(200, body_of(3)),
       {},
       "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n",
       Framing::kLength,
       true},
      {response(200, kStreamed),
       {},
       "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
       Framing::kChunked,
       true},
      {response(200), {}, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Framing::kNone, true},
      {response(799, body_of(0)),
       {},
       "HTTP/1.1 799 \r\ncontent-length: 0\r\n\r\n",
       Framing::kNone,
       true},
      {response(200, body_of(3)),
       {.keep_alive = false},
       "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\n",
       Framing::kLength,
       false},
      {response(200, kStreamed),
       {.version = Version::kHttp10},
       "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
       Framing::kUntilClose,
       false},
      {response(200, body_of(3)),
       {.version = Version::kHttp10},
       "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\n",
       Framing::kLength,
       true},
  };
  check_framed(rows);
}

TEST_CASE("responses that have no body announce one where they may, and no more") {
  const Framed rows[] = {
      {response(204), {}, "HTTP/1.1 204 No Content\r\n\r\n", Framing::kNone, true},
      {response(204, body_of(3)), {}, "HTTP/1.1 204 No Content\r\n\r\n", Framing::kNone, true},
      {response(304, {.length = 3}),
       {},
       "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n",
       Framing::kNone,
       true},
      {response(304), {}, "HTTP/1.1 304 Not Modified\r\n\r\n", Framing::kNone, true},
      {response(200, {.length = 3}),
       {.to_head = true},
       "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n",
       Framing::kNone,
       true},
      {response(200), {.to_head = true}, "HTTP/1.1 200 OK\r\n\r\n", Framing::kNone, true},
      {response(200, kStreamed),
       {.to_head = true},
       "HTTP/1.1 200 OK\r\n\r\n",
       Framing::kNone,
       true},
      {response(103),
       {.keep_alive = false},
       "HTTP/1.1 103 Early Hints\r\n\r\n",
       Framing::kNone,
       false},
      {response(100), {.version = Version::kHttp10}, "", Framing::kNone, true},
  };
  check_framed(rows);
}

TEST_CASE("a written response reads back, and the next one follows where it ends") {
  Fields trailers;
  REQUIRE(trailers.add("x-sum", "1"));
  for (const Body& body : {Body{}, body_of(0), body_of(10), kStreamed}) {
    std::string out;
    for (int i = 0; i < 2; ++i) {
      ResponseHead head = response(200, body);
      REQUIRE(head.fields.add("x-a", "b"));
      const auto written = append_response(head, {}, out);
      append_body(out, written.framing, "0123456789", trailers);
    }
    const std::string one = body == kStreamed
                                ? "200 1.1 x-a=[b] body:?\nend [0123456789] x-sum=[1] keep\n"
                            : body.present ? "200 1.1 x-a=[b] body:10\nend [0123456789] keep\n"
                                           : "200 1.1 x-a=[b] no-body:0\nend [] keep\n";
    CHECK(responses(out).text == one + one);
  }
}

TEST_CASE("an upgrade is answered with its protocol") {
  ResponseHead head = response(101);
  head.upgrade = "websocket";
  std::string out;
  append_response(head, {}, out);
  CHECK(out ==
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  CHECK(responses(out + "raw", {.upgrade = "websocket"}).after == "raw");
}

TEST_CASE("the largest chunk has a head") {
  CHECK(ChunkHead(1).text() == "1\r\n");
  CHECK(ChunkHead(UINT64_MAX).text() == "ffffffffffffffff\r\n");
}
