// Heads out of HTTP/2's fields: what is taken, and each way to abuse them.
#include "culvert/http/http2_heads.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "drive.hpp"

using namespace culvert::http;
using namespace culvert::http::testing;

namespace {

using List = std::vector<Field>;
using namespace std::string_view_literals;

template <class Builder>
auto build(Builder builder, std::span<const Field> fields, bool end_stream)
    -> decltype(builder.finish(end_stream)) {
  for (const Field& field : fields) {
    if (const auto sound = builder.add(field.name, field.value); !sound) {
      return std::unexpected(sound.error());
    }
  }
  return builder.finish(end_stream);
}

std::string request(const List& fields, bool end_stream = true, const Limits& limits = {}) {
  const auto head = build(Http2RequestBuilder(limits), fields, end_stream);
  return head ? text_of(*head) : head.error().text;
}

std::string response(const List& fields, bool end_stream = true, Asked asked = {}) {
  const auto head = build(Http2ResponseBuilder(asked.head, asked.upgrade), fields, end_stream);
  return head ? text_of(*head) : head.error().text;
}

// A sound request with these fields behind it.
std::string with(const List& fields, bool end_stream = true) {
  std::vector<Field> all{
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
  all.insert(all.end(), fields.begin(), fields.end());
  const auto head = build(Http2RequestBuilder(), all, end_stream);
  return head ? text_of(*head) : head.error().text;
}

}  // namespace

TEST_CASE("requests of HTTP/2 get the form of all requests") {
  CHECK(with({{"x-a", "1"}, {"te", "trailers"}}) == "GET http://a / 2 x-a=[1] te=[trailers]");
  CHECK(with({}, false) == "GET http://a / 2 body:?");
  CHECK(with({{"content-length", "03"}}, false) == "GET http://a / 2 body:3");
  CHECK(with({{"content-length", "0"}}) == "GET http://a / 2 no-body:0");
  CHECK(with({{"content-length", "0"}}, false) == "GET http://a / 2 no-body:0");
  CHECK(with({{"cookie", "a=b"}, {"x", "y"}, {"cookie", "c=d"}}) ==
        "GET http://a / 2 cookie=[a=b; c=d] x=[y]");
  CHECK(with({{"host", "A"}}) == "GET http://a / 2");
  CHECK(with({{"expect", "100-continue"}}, false) ==
        "GET http://a / 2 expect=[100-continue] body:? continue?");
  CHECK(request({{":path", "/x?y"}, {":method", "PUT"}, {":scheme", "https"}, {"host", "b:1"}}) ==
        "PUT https://b:1 /x?y 2");
  CHECK(
      request({{":method", "OPTIONS"}, {":scheme", "http"}, {":authority", "a"}, {":path", "*"}}) ==
      "OPTIONS http://a * 2");
  CHECK(request({{":method", "CONNECT"},
                 {":protocol", "websocket"},
                 {":scheme", "http"},
                 {":authority", "a"},
                 {":path", "/chat"}},
                false) == "GET http://a /chat 2 upgrade:websocket");
}

TEST_CASE("abused pseudo-headers are refused") {
  using namespace refusals;
  struct Row {
    List fields;
    Refusal refusal;
  };
  for (const Row& row : {
           Row{{}, kMissingPseudo},
           {{{":method", "GET"}, {":authority", "a"}, {":path", "/"}}, kMissingPseudo},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}, kMissingPseudo},
           {{{":scheme", "http"}, {":authority", "a"}, {":path", "/"}}, kMissingPseudo},
           {{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}, kNoHost},
           {{{":method", "GET"}, {":method", "GET"}}, kRepeatedPseudo},
           {{{":path", "/"}, {":path", "/"}}, kRepeatedPseudo},
           {{{":scheme", "http"}, {":scheme", "http"}}, kRepeatedPseudo},
           {{{":authority", "a"}, {":authority", "b"}}, kRepeatedPseudo},
           {{{":method", "GET"}, {"x", "y"}, {":path", "/"}}, kPseudoAfterField},
           {{{":status", "200"}}, kUnknownPseudo},
           {{{":x", "y"}}, kUnknownPseudo},
           {{{":Method", "GET"}}, kUnknownPseudo},
           {{{":", "GET"}}, kUnknownPseudo},
           {{{":method", "G T"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}},
            kMethod},
           {{{":method", ""}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}, kMethod},
           {{{":method", "GET"}, {":scheme", "ftp"}, {":authority", "a"}, {":path", "/"}}, kScheme},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", ""}}, kTarget},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "x"}},
            kTarget},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "*"}},
            kTarget},
           {{{":method", "GET"},
             {":scheme", "http"},
             {":authority", "a"},
             {":path", "/ HTTP/1.1\r\nx: y"}},
            kTarget},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/#x"}},
            kTarget},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", "u@a"}, {":path", "/"}},
            kHost},
           {{{":method", "GET"}, {":scheme", "http"}, {":authority", ""}, {":path", "/"}}, kHost},
           {{{":method", "CONNECT"}, {":authority", "a:80"}}, kConnect},
           {{{":method", "CONNECT"},
             {":protocol", "other"},
             {":scheme", "http"},
             {":authority", "a"},
             {":path", "/"}},
            kConnect},
           {{{":method", "GET"},
             {":protocol", "websocket"},
             {":scheme", "http"},
             {":authority", "a"},
             {":path", "/"}},
            kUnknownPseudo},
           {{{":method", "CONNECT"},
             {":protocol", "websocket"},
             {":scheme", "http"},
             {":authority", "a"},
             {":path", "/"}},
            kUpgrade},
       }) {
    CHECK(request(row.fields) == row.refusal.text);
  }
}

TEST_CASE("a host is judged at each place, whatever its length") {
  for (const std::size_t size : {1, 3, 4, 7, 8, 13}) {
    for (std::size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        std::string host(size, '1');
        host[place] = c;
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool own = letter || (c >= '0' && c <= '9') || (c != 0 && "-._~"sv.contains(c));
        const bool port = c == ':' && place > 0 && place + 1 < size && size - place <= 6;
        const List fields{
            {":method", "GET"}, {":scheme", "http"}, {":authority", host}, {":path", "/"}};
        const auto head = build(Http2RequestBuilder(), fields, true);
        CHECK(head.has_value() == (own || port));
      }
    }
  }
}

TEST_CASE("abused fields are refused") {
  using namespace refusals;
  CHECK(with({{"X-a", "b"}}) == kUpperCase.text);
  CHECK(with({{"", "b"}}) == kFieldName.text);
  CHECK(with({{"a b", "c"}}) == kFieldName.text);
  CHECK(with({{"a\r", "c"}}) == kFieldName.text);
  CHECK(with({{"a:", "c"}}) == kFieldName.text);
  for (const auto value : {"b\r\nc: d"sv, "b\nc"sv, "b\0c"sv, " b"sv, "b "sv, "b\t"sv, "\x7f"sv}) {
    CHECK(with({{"a", value}}) == kFieldValue.text);
  }
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "transfer-encoding",
                           "upgrade", "http2-settings"}) {
    CHECK(with({{name, "x"}}) == kConnectionSpecific.text);
  }
  CHECK(with({{"te", "gzip"}}) == kTe.text);
  CHECK(with({{"te", "trailers, gzip"}}) == kTe.text);
  CHECK(with({{"host", "b"}}) == kHostConflict.text);
  CHECK(with({{"host", "a"}, {"host", "a"}}) == kManyHosts.text);
  CHECK(with({{"content-length", "3"}}) == kLengthMismatch.text);
  CHECK(with({{"content-length", "3"}, {"content-length", "3"}}, false) == kManyLengths.text);
  CHECK(with({{"content-length", "3, 3"}}, false) == kLength.text);
  CHECK(with({{"content-length", "+3"}}, false) == kLength.text);
  CHECK(with({{"content-length", ""}}, false) == kLength.text);
  CHECK(with({{"expect", "x"}}, false) == kExpectation.text);
}

TEST_CASE("heads of HTTP/2 have the bounds of all heads") {
  Limits limits;
  limits.fields = 1;
  limits.head_bytes = 200;  // what is below, 32 more a field
  const List sound{
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}, {"x", "y"}};
  CHECK(request(sound, true, limits) == "GET http://a / 2 x=[y]");
  limits.head_bytes -= 1;
  CHECK(request(sound, true, limits) == refusals::kHeadTooLong.text);
  CHECK(request({{":method", "GET"}, {"x", "y"}, {"x", "y"}}, true, {.fields = 1}) ==
        refusals::kTooManyFields.text);
  CHECK(request({{":method", std::string_view("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
                 {":scheme", "http"},
                 {":authority", "a"},
                 {":path", "/"}}) == refusals::kMethodTooLong.text);
}

TEST_CASE("responses of HTTP/2 get the form of all responses") {
  CHECK(response({{":status", "200"}, {"x", "y"}}, false) == "200 2 x=[y] body:?");
  CHECK(response({{":status", "200"}}) == "200 2");
  CHECK(response({{":status", "200"}, {"content-length", "3"}}, false) == "200 2 body:3");
  CHECK(response({{":status", "200"}, {"content-length", "3"}}, true, {.head = true}) ==
        "200 2 no-body:3");
  CHECK(response({{":status", "304"}, {"content-length", "3"}}) == "304 2 no-body:3");
  CHECK(response({{":status", "204"}, {"content-length", "0"}}) == "204 2");
  CHECK(response({{":status", "103"}}, false) == "103 2");
  CHECK(response({{":status", "200"}}, false, {.upgrade = "websocket"}) ==
        "101 2 upgrade:websocket");
  CHECK(response({{":status", "403"}}, true, {.upgrade = "websocket"}) == "403 2");
}

TEST_CASE("abused responses are refused") {
  using namespace refusals;
  CHECK(response({}) == kMissingPseudo.text);
  for (const char* status : {"", "20", "2000", "099", "2x0", "+20", " 200"}) {
    CHECK(response({{":status", status}}) == kStatus.text);
  }
  CHECK(response({{":status", "200"}, {":status", "200"}}) == kRepeatedPseudo.text);
  CHECK(response({{"x", "y"}, {":status", "200"}}) == kPseudoAfterField.text);
  CHECK(response({{":method", "GET"}}) == kUnknownPseudo.text);
  CHECK(response({{":status", "101"}}, false) == kUnaskedUpgrade.text);
  CHECK(response({{":status", "100"}}) == kTruncated.text);
  CHECK(response({{":status", "204"}, {"content-length", "1"}}) == kNoBodyStatus.text);
  CHECK(response({{":status", "200"}, {"content-length", "1"}}) == kLengthMismatch.text);
  CHECK(response({{":status", "200"}, {"connection", "close"}}) == kConnectionSpecific.text);
}

TEST_CASE("trailers of HTTP/2 are fields, and no head's") {
  const auto add = [](std::string_view name, std::string_view value) {
    Http2TrailersBuilder builder;
    const auto sound = builder.add(name, value);
    return sound ? text_of(builder.finish()) : std::string(sound.error().text);
  };
  CHECK(add("grpc-status", "0") == " grpc-status=[0]");
  CHECK(add(":status", "200") == refusals::kPseudoAfterField.text);
  CHECK(add("content-length", "1") == refusals::kTrailerField.text);
  CHECK(add("X", "1") == refusals::kUpperCase.text);
  CHECK(add("connection", "close") == refusals::kTrailerField.text);
}

TEST_CASE("what is sent in HTTP/2 reads back as it was") {
  Http2Fields fields;
  for (const std::string_view bytes :
       {"GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\r\nTE: trailers\r\nCookie: a=b; c=d\r\n\r\n"sv,
        "PUT https://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"sv,
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"sv}) {
    RequestReader reader;
    REQUIRE(reader.read(bytes_of(bytes))->found == Found::kHead);
    const RequestHead& head = reader.head();
    const bool end = !head.body.present && head.upgrade.empty();
    auto again = build(Http2RequestBuilder(), fields.request(head), end);
    REQUIRE(again);
    again->version = Version::kHttp11;
    CHECK(text_of(*again) == text_of(head));
  }
  for (const std::string_view bytes :
       {"HTTP/1.1 200 OK\r\nContent-Length: 18\r\nx: y\r\n\r\n"sv, "HTTP/1.1 204 No\r\n\r\n"sv,
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"sv,
        "HTTP/1.1 304 No\r\nContent-Length: 18\r\n\r\n"sv,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
        "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"sv}) {
    ResponseReader reader;
    reader.next(false, "websocket");
    REQUIRE(reader.read(bytes_of(bytes)));
    const ResponseHead& head = reader.head();
    const bool end = !head.body.present && head.status != 101 && !head.informational();
    const std::string_view upgrade = head.status == 101 ? "websocket" : "";
    auto again = build(Http2ResponseBuilder(false, upgrade), fields.response(head), end);
    REQUIRE(again);
    again->version = Version::kHttp11;
    CHECK(text_of(*again) == text_of(head));
  }
}
