// What our record layer does with records in order: data, padding, closing, key updates.
#include "post_handshake.hpp"
#include "records.hpp"

using namespace culvert;
using namespace culvert::test;
using tls::ContentType;
using Inbound = tls::RecordLayer::Inbound;

namespace {

constexpr int kData = 23, kHandshake = 22;

struct Ends {
  std::unique_ptr<tls::RecordLayer> client, server;

  explicit Ends(tls::RecordLimits limits = {})
      : client(own_layer(traffic_secret('c'), traffic_secret('s'), false, suite(), {}, limits)),
        server(own_layer(traffic_secret('s'), traffic_secret('c'), true, suite(), {}, limits)) {}

  // Sends `text` and returns what the other end got.
  static std::string send(tls::RecordLayer& from, tls::RecordLayer& to, std::string_view text) {
    std::string wire, got, answer;
    REQUIRE(from.seal(bytes(text), wire));
    REQUIRE(to.open(bytes(wire), got, answer));
    CHECK(answer.empty());
    return got;
  }
};

}  // namespace

TEST_CASE("data goes both ways under both suites") {
  for (const std::uint32_t number : {0x1301U, 0x1302U}) {
    const auto& of = suite(number);
    const auto a = traffic_secret('a', of), b = traffic_secret('b', of);
    auto client = own_layer(a, b, false, of);
    auto server = own_layer(b, a, true, of);
    CHECK(Ends::send(*client, *server, "hello") == "hello");
    CHECK(Ends::send(*server, *client, "world") == "world");
  }
}

TEST_CASE("records survive a split at every byte, alone and together") {
  RawPeer peer;
  const std::string wire = peer.data("one") + peer.handshake(kUpdate);
  REQUIRE(peer.sealing.update());
  const std::string all =
      wire + peer.data("two") + peer.padded(ContentType::kApplicationData, "3", 40);
  for (std::size_t step = 1; step <= all.size(); ++step) {
    auto layer = RawPeer::under_test(true);
    std::string got, out;
    for (std::size_t at = 0; at < all.size(); at += step) {
      REQUIRE(layer->open(bytes(std::string_view(all).substr(at, step)), got, out));
    }
    CHECK(got == "onetwo3");
    CHECK(out.empty());
  }
}

TEST_CASE("what came with the handshake is opened first, however many records it is") {
  RawPeer peer;
  std::string received;
  for (int i = 0; i < 5; ++i) received += peer.data("early ");
  const std::string last = peer.data("late");
  received += last.substr(0, 7);
  auto layer = RawPeer::under_test(true, {}, received);
  std::string got, out;
  REQUIRE(layer->open({}, got, out));
  CHECK(got == "early early early early early ");
  REQUIRE(layer->open(bytes(std::string_view(last).substr(7)), got, out));
  CHECK(got.ends_with("early late"));
}

TEST_CASE("data is cut into as few records as there can be, each at most 16 KiB") {
  RawPeer peer;
  auto layer = RawPeer::under_test(false);
  std::string data(3 * tls::kMaxRecordPlaintext + 1, 'x');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 >> 3);
  std::string wire = "before";
  REQUIRE(layer->seal(bytes(data), wire));
  CHECK(wire.size() == 6 + data.size() + 4 * tls::kRecordOverhead);
  CHECK(wire.starts_with("before"));
  wire.erase(0, 6);
  std::string got;
  for (int i = 0; i < 4; ++i) {
    const auto opened = peer.open_first(wire);
    REQUIRE(opened.type == kData);
    CHECK(opened.content.size() == (i < 3 ? tls::kMaxRecordPlaintext : 1));
    got += opened.content;
  }
  CHECK(got == data);
  CHECK(wire.empty());
}

TEST_CASE("parts are sealed as if they were one") {
  std::string data(70'000, 'x');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 >> 3);
  for (const std::size_t size : {1UL, 9UL, 16'375UL, 16'384UL, 16'385UL, 50'000UL}) {
    std::vector<std::span<const std::byte>> parts{{}};
    for (std::size_t at = 0; at < data.size(); at += size) {
      parts.push_back(bytes(std::string_view(data).substr(at, size)));
      if (at % 3 == 0) parts.push_back({});
    }
    std::string one, many;
    REQUIRE(RawPeer::under_test(false)->seal(bytes(data), one));
    REQUIRE(RawPeer::under_test(false)->seal_parts(parts, many));
    CHECK((one == many));
  }
}

TEST_CASE("nothing to seal is no record") {
  auto layer = RawPeer::under_test(false);
  std::string wire;
  REQUIRE(layer->seal({}, wire));
  CHECK(wire.empty());
}

TEST_CASE("padding is taken off, up to a full record of it") {
  RawPeer peer;
  auto layer = RawPeer::under_test(true);
  std::string got, out;
  for (const std::size_t zeros : {1UL, 2UL, 255UL, tls::kMaxRecordPlaintext - 1}) {
    REQUIRE(layer->open(bytes(peer.padded(ContentType::kApplicationData, "a", zeros)), got, out));
  }
  REQUIRE(layer->open(bytes(peer.padded(ContentType::kApplicationData, "", 100)), got, out));
  CHECK(got == "aaaa");
  // Zeros at the end of data are data.
  REQUIRE(layer->open(bytes(peer.data(std::string_view("b\0\0", 3))), got, out));
  CHECK(got.substr(4) == std::string_view("b\0\0", 3));
}

TEST_CASE("close_notify ends one direction, once; what follows it is ignored") {
  RawPeer peer;
  auto layer = RawPeer::under_test(true);
  std::string got, out;
  const auto end = layer->open(bytes(peer.data("last") + peer.alert(1, 0) + "no record"), got, out);
  REQUIRE(end);
  CHECK(*end == Inbound::kClosed);
  CHECK(got == "last");
  CHECK(layer->open(bytes("more"), got, out).value() == Inbound::kClosed);
  CHECK(got == "last");
  REQUIRE(layer->seal(bytes("still here"), out));
  layer->close(out);
  layer->close(out);
  CHECK(peer.open_first(out) == RawPeer::Opened{kData, "still here"});
  CHECK(peer.open_first(out) == RawPeer::Opened{21, std::string("\1\0", 2)});
  CHECK(out.empty());
  CHECK(layer->seal(bytes("x"), out).error().code == ErrorCode::kClosed);
}

TEST_CASE(
    "a close_notify whose level says fatal is one, and user_canceled before it says nothing") {
  RawPeer peer;
  auto layer = RawPeer::under_test(true);
  std::string got, out;
  const auto end = layer->open(bytes(peer.alert(2, 90) + peer.alert(2, 0)), got, out);
  REQUIRE(end);
  CHECK(*end == Inbound::kClosed);
}

TEST_CASE("a KeyUpdate of the peer is followed, and answered only when it asks") {
  RawPeer peer;
  auto layer = RawPeer::under_test(true);
  std::string got, out;
  REQUIRE(layer->open(bytes(peer.data("a") + peer.handshake(kUpdate)), got, out));
  REQUIRE(peer.sealing.update());
  REQUIRE(layer->open(bytes(peer.data("b")), got, out));
  REQUIRE(layer->seal(bytes("x"), out));
  CHECK(peer.open_first(out) == RawPeer::Opened{kData, "x"});
  CHECK(out.empty());
  REQUIRE(layer->open(bytes(peer.handshake(kUpdateAsking)), got, out));
  REQUIRE(peer.sealing.update());
  REQUIRE(layer->open(bytes(peer.data("c")), got, out));
  CHECK(got == "abc");
  REQUIRE(layer->seal(bytes("y"), out));
  CHECK(peer.open_first(out) == RawPeer::Opened{kHandshake, kUpdate});
  REQUIRE(peer.opening.update());
  CHECK(peer.open_first(out) == RawPeer::Opened{kData, "y"});
}

TEST_CASE("a peer that asks for KeyUpdates again and again gets one answer, with the next data") {
  RawPeer peer;
  auto layer = RawPeer::under_test(true);
  std::string got, out;
  for (int i = 0; i < 10; ++i) {
    REQUIRE(layer->open(bytes(peer.handshake(kUpdateAsking)), got, out));
    REQUIRE(peer.sealing.update());
  }
  CHECK(out.empty());
  REQUIRE(layer->seal(bytes("x"), out));
  CHECK(peer.open_first(out) == RawPeer::Opened{kHandshake, kUpdate});
  REQUIRE(peer.opening.update());
  CHECK(peer.open_first(out) == RawPeer::Opened{kData, "x"});
  CHECK(out.empty());
}

TEST_CASE("we update our key before it has protected too many records") {
  RawPeer peer;
  auto layer = RawPeer::under_test(false, {.records_per_key = 3});
  std::string wire;
  for (int i = 0; i < 7; ++i) REQUIRE(layer->seal(bytes("x"), wire));
  for (int i = 0; i < 7; ++i) {
    if (i == 3 || i == 6) {
      CHECK(peer.open_first(wire) == RawPeer::Opened{kHandshake, kUpdate});
      REQUIRE(peer.opening.update());
    }
    CHECK(peer.open_first(wire) == RawPeer::Opened{kData, "x"});
  }
  CHECK(wire.empty());
}

TEST_CASE("a peer whose key has protected too many records is asked once for its own update") {
  RawPeer peer;
  auto layer = RawPeer::under_test(true, {.records_per_key = 3});
  std::string got, out;
  for (int i = 0; i < 3; ++i) REQUIRE(layer->open(bytes(peer.data("x")), got, out));
  REQUIRE(layer->seal(bytes("1"), out));
  REQUIRE(layer->seal(bytes("2"), out));
  CHECK(peer.open_first(out) == RawPeer::Opened{kHandshake, kUpdateAsking});
  REQUIRE(peer.opening.update());
  CHECK(peer.open_first(out) == RawPeer::Opened{kData, "1"});
  CHECK(peer.open_first(out) == RawPeer::Opened{kData, "2"});
  // It does, and is asked again after as many records more.
  REQUIRE(layer->open(bytes(peer.handshake(kUpdate)), got, out));
  REQUIRE(peer.sealing.update());
  for (int i = 0; i < 3; ++i) REQUIRE(layer->open(bytes(peer.data("x")), got, out));
  REQUIRE(layer->seal(bytes("3"), out));
  CHECK(peer.open_first(out) == RawPeer::Opened{kHandshake, kUpdateAsking});
}

TEST_CASE("two layers that update all the time understand each other") {
  Ends ends({.records_per_key = 2});
  for (int i = 0; i < 100; ++i) {
    const std::string text = std::to_string(i);
    CHECK(Ends::send(*ends.client, *ends.server, text) == text);
    CHECK(Ends::send(*ends.server, *ends.client, text) == text);
    if (i % 3 == 0) CHECK(Ends::send(*ends.server, *ends.client, "more") == "more");
  }
}

TEST_CASE("a client skips tickets, in any cut and however long") {
  RawPeer peer;
  auto layer = RawPeer::under_test(false);
  const std::string small("\4\0\0\5ticke", 9);
  std::string longest("\4\0\0\0", 4);
  longest[1] = static_cast<char>(tls::kMaxTicketBytes >> 16);
  longest[2] = static_cast<char>(tls::kMaxTicketBytes >> 8 & 255);
  longest[3] = static_cast<char>(tls::kMaxTicketBytes & 255);
  longest.append(tls::kMaxTicketBytes, 't');
  std::string wire = peer.handshake(small + small + small.substr(0, 2)) +
                     peer.handshake(small.substr(2, 4)) + peer.handshake(small.substr(6) + kUpdate);
  REQUIRE(peer.sealing.update());
  for (std::size_t at = 0; at < longest.size(); at += 16'000) {
    wire += peer.handshake(std::string_view(longest).substr(at, 16'000));
  }
  wire += peer.data("after");
  std::string got, out;
  REQUIRE(layer->open(bytes(wire), got, out));
  CHECK(got == "after");
}
