// The key of a websocket and its answer where the client's side and upstream's differ.
#include "waypoint/exchange/websocket.hpp"

#include <doctest/doctest.h>

#include "culvert/tls/digest.hpp"

using namespace culvert;
using namespace culvert::waypoint;

namespace {

// RFC 6455 section 1.3.
constexpr const char* kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr const char* kAnswer = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

http::RequestHead upgrade(const char* key) {
  http::RequestHead head;
  head.upgrade = "websocket";
  if (key != nullptr) head.fields.set("sec-websocket-key", key);
  return head;
}

http::ResponseHead opened(const std::string& answer) {
  http::ResponseHead head;
  head.status = 101;
  head.upgrade = "websocket";
  if (!answer.empty()) head.fields.set("sec-websocket-accept", answer);
  return head;
}

std::string answer_to(std::string_view key) {
  return tls::sha1_base64(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
}

}  // namespace

TEST_CASE("HTTP/1.1 on both sides: the key and its answer are the client's and the server's") {
  l7::Random random(1);
  WebsocketKey key;
  const auto came = upgrade(kKey);
  auto head = came;
  key.prepare(came, head, HttpVersion::kHttp1, random);
  CHECK(head.fields.find("sec-websocket-key") == kKey);
  auto answer = opened("whatever");
  CHECK(key.settle(answer));
  CHECK(answer.fields.find("sec-websocket-accept") == "whatever");
}

TEST_CASE("a client of HTTP/1.1 gets the answer to its key that HTTP/2 does not give") {
  l7::Random random(1);
  const auto came = upgrade(kKey);
  auto head = came;
  for (int attempt = 0; attempt < 2; ++attempt) {
    WebsocketKey key;
    key.prepare(came, head, HttpVersion::kHttp2, random);
    CHECK_FALSE(head.fields.find("sec-websocket-key").has_value());
    auto answer = opened("");
    CHECK(key.settle(answer));
    CHECK(answer.fields.find("sec-websocket-accept") == kAnswer);
  }
}

TEST_CASE("a server of HTTP/1.1 gets a key of ours, another each time, and must answer it") {
  l7::Random random(1);
  const auto came = upgrade(nullptr);
  auto head = came;
  std::string before;
  for (int attempt = 0; attempt < 2; ++attempt) {
    WebsocketKey key;
    key.prepare(came, head, HttpVersion::kHttp1, random);
    const std::string sent(head.fields.find("sec-websocket-key").value_or(""));
    CHECK(sent.size() == 24);
    CHECK(sent != std::exchange(before, sent));
    auto right = opened(answer_to(sent));
    CHECK(key.settle(right));
    CHECK_FALSE(right.fields.find("sec-websocket-accept").has_value());
    auto wrong = opened(kAnswer), none = opened("");
    CHECK_FALSE(key.settle(wrong));
    CHECK_FALSE(key.settle(none));
  }
}

TEST_CASE("HTTP/2 on both sides has neither") {
  l7::Random random(1);
  WebsocketKey key;
  const auto came = upgrade(nullptr);
  auto head = came;
  key.prepare(came, head, HttpVersion::kHttp2, random);
  CHECK_FALSE(head.fields.find("sec-websocket-key").has_value());
  auto answer = opened("");
  CHECK(key.settle(answer));
  CHECK_FALSE(answer.fields.find("sec-websocket-accept").has_value());
}
