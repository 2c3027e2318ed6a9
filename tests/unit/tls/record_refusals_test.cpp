// Every rule of records that a peer can break, one by one: our layer fails with a text, sends the
// alert of RFC 8446, gives out what was authentic before, and is dead from then on.
#include <functional>

#include "alert.hpp"
#include "records.hpp"

using namespace culvert;
using namespace culvert::test;
using tls::Alert;
using tls::ContentType;

namespace {

constexpr int kAlert = 21;

// Opens `wire` with `layer` and checks how it fails.
void check_refused(RawPeer& peer, tls::RecordLayer& layer, std::string_view wire, Alert alert,
                   std::string_view text) {
  CAPTURE(text);
  std::string got = "before", out;
  const auto opened = layer.open(bytes(wire), got, out);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kTls);
  CHECK(std::string_view(opened.error().text) == text);
  CHECK(got == "before");
  REQUIRE_FALSE(out.empty());
  CHECK(peer.open_first(out) == RawPeer::Opened{kAlert, {'\2', static_cast<char>(alert)}});
  CHECK(out.empty());
  // Dead, and silent.
  CHECK(layer.open(bytes("x"), got, out).error().code == ErrorCode::kTls);
  CHECK(layer.seal(bytes("x"), out).error().code == ErrorCode::kTls);
  layer.close(out);
  CHECK(out.empty());
}

void check_refused(bool server, Alert alert, std::string_view text,
                   const std::function<std::string(RawPeer&)>& wire) {
  RawPeer peer;
  const auto layer = RawPeer::under_test(server);
  check_refused(peer, *layer, wire(peer), alert, text);
}

std::string header(int type, std::size_t body) {
  std::string out{"\0\3\3\0\0", tls::kRecordHeaderBytes};
  out[0] = static_cast<char>(type);
  out[3] = static_cast<char>(body >> 8);
  out[4] = static_cast<char>(body);
  return out;
}

}  // namespace

TEST_CASE("after the handshake only encrypted records are taken") {
  for (const int type : {0, 20, 21, 22, 24, 71}) {
    check_refused(true, Alert::kUnexpectedMessage,
                  "a record that is not encrypted after the handshake",
                  [&](RawPeer&) { return header(type, 1) + "\1"; });
  }
}

TEST_CASE("a record over 16 KiB is refused by its header, the largest allowed is taken") {
  check_refused(true, Alert::kRecordOverflow, "a TLS record over 16 KiB",
                [](RawPeer&) { return header(23, 16'384 + 1 + 16 + 1); });
  check_refused(true, Alert::kRecordOverflow, "a TLS record over 16 KiB",
                [](RawPeer&) { return header(23, 65'535); });
  RawPeer peer;
  std::string got, out;
  const std::string full(16'384, 'x');
  REQUIRE(RawPeer::under_test(true)->open(bytes(peer.data(full)), got, out));
  CHECK(got == full);
}

TEST_CASE("a record that is shorter than its tag is refused") {
  for (const std::size_t body : {0, 1, 15}) {
    check_refused(true, Alert::kBadRecordMac, "a TLS record shorter than its tag",
                  [&](RawPeer&) { return header(23, body); });
  }
}

TEST_CASE("a record without a type is refused: nothing inside, or only padding") {
  check_refused(true, Alert::kUnexpectedMessage, "a TLS record without a type",
                [](RawPeer& peer) { return peer.seal(ContentType{0}, ""); });
  check_refused(true, Alert::kUnexpectedMessage, "a TLS record without a type",
                [](RawPeer& peer) { return peer.seal(ContentType{0}, std::string(16'384, '\0')); });
}

TEST_CASE("a record of another inner type is refused") {
  for (const int type : {1, 20, 24, 255}) {
    check_refused(true, Alert::kUnexpectedMessage, "a TLS record of an unexpected type",
                  [&](RawPeer& peer) { return peer.seal(static_cast<ContentType>(type), "x"); });
  }
}

TEST_CASE("one changed bit anywhere makes a record unauthentic") {
  RawPeer reference;
  const std::string record = reference.data("hello");
  for (std::size_t at = 1; at < record.size(); ++at) {
    if (at == 3 || at == 4) continue;  // its length: another rule, or another record
    for (const int bit : {1, 128}) {
      check_refused(true, Alert::kBadRecordMac, "a TLS record that is not authentic",
                    [&](RawPeer& peer) {
                      std::string forged = peer.data("hello");
                      forged[at] = static_cast<char>(forged[at] ^ bit);
                      return forged;
                    });
    }
  }
}

TEST_CASE("records that are reordered, replayed, left out or cut in size are not authentic") {
  const char* const text = "a TLS record that is not authentic";
  check_refused(true, Alert::kBadRecordMac, text, [](RawPeer& peer) {
    const std::string first = peer.data("1");
    return peer.data("2") + first;
  });
  check_refused(true, Alert::kBadRecordMac, text, [](RawPeer& peer) {
    (void)peer.data("left out");
    return peer.data("2");
  });
  check_refused(true, Alert::kBadRecordMac, text, [](RawPeer& peer) {
    std::string shorter = peer.data("12345");
    shorter[4] = static_cast<char>(shorter[4] - 1);
    shorter.pop_back();
    return shorter;
  });
  RawPeer peer;
  const auto layer = RawPeer::under_test(true);
  const std::string once = peer.data("1");
  std::string got, out;
  REQUIRE(layer->open(bytes(once), got, out));
  check_refused(peer, *layer, once, Alert::kBadRecordMac, text);
}

TEST_CASE("a record under the key before the peer's KeyUpdate is not authentic") {
  check_refused(true, Alert::kBadRecordMac, "a TLS record that is not authentic",
                [](RawPeer& peer) { return peer.handshake(kUpdate) + peer.data("old key"); });
}

TEST_CASE("what was authentic before a failure is given out") {
  RawPeer peer;
  const auto layer = RawPeer::under_test(true);
  std::string wire = peer.data("one") + peer.data("two") + peer.data("three");
  wire.back() = static_cast<char>(wire.back() ^ 1);
  std::string got, out;
  REQUIRE_FALSE(layer->open(bytes(wire), got, out));
  CHECK(got == "onetwo");
}

TEST_CASE("a peer's fatal alert is named and not answered") {
  const struct {
    int alert;
    const char* text;
  } cases[] = {
      {10, "the peer's alert: unexpected message"}, {20, "the peer's alert: bad record MAC"},
      {22, "the peer's alert: record overflow"},    {45, "the peer's alert: certificate expired"},
      {80, "the peer's alert: internal error"},     {255, "the peer sent a fatal alert"}};
  for (const auto& each : cases) {
    for (const int level : {1, 2}) {  // the level says nothing
      RawPeer peer;
      const auto layer = RawPeer::under_test(false);
      std::string got, out;
      const auto opened =
          layer->open(bytes(peer.data("a") + peer.alert(level, each.alert) + "rest"), got, out);
      REQUIRE_FALSE(opened);
      CHECK(std::string_view(opened.error().text) == each.text);
      CHECK(opened.error().origin == Origin::kUpstream);
      CHECK(got == "a");
      CHECK(out.empty());
      CHECK_FALSE(layer->seal(bytes("x"), out));
    }
  }
}

TEST_CASE("an alert record holds exactly one alert") {
  for (const std::string& content :
       {std::string(), std::string("\1"), std::string("\1\0\1\0", 4)}) {
    check_refused(true, Alert::kUnexpectedMessage, "an alert record that is not one alert",
                  [&](RawPeer& peer) { return peer.seal(ContentType::kAlert, content); });
  }
}

TEST_CASE("handshake messages other than KeyUpdate and a client's ticket are refused") {
  const char* const text = "an unexpected handshake message after the handshake";
  for (const int type : {0, 1, 2, 5, 8, 11, 13, 15, 20, 254}) {  // 13: CertificateRequest
    for (const bool server : {false, true}) {
      check_refused(server, Alert::kUnexpectedMessage, text, [&](RawPeer& peer) {
        return peer.handshake(std::string(1, static_cast<char>(type)));
      });
    }
  }
  check_refused(true, Alert::kUnexpectedMessage, text,
                [](RawPeer& peer) { return peer.handshake({"\4\0\0\5ticke", 9}); });
}

TEST_CASE("a KeyUpdate has one byte that is 0 or 1 and ends its record") {
  check_refused(true, Alert::kIllegalParameter, "a KeyUpdate of another length than 1",
                [](RawPeer& peer) { return peer.handshake({"\x18\0\0\2\0\0", 6}); });
  check_refused(true, Alert::kIllegalParameter, "a KeyUpdate of another length than 1",
                [](RawPeer& peer) { return peer.handshake({"\x18\0\0\0", 4}); });
  check_refused(true, Alert::kIllegalParameter, "a KeyUpdate that asks nonsense",
                [](RawPeer& peer) { return peer.handshake({"\x18\0\0\1\2", 5}); });
  check_refused(true, Alert::kUnexpectedMessage, "a KeyUpdate that does not end its record",
                [](RawPeer& peer) { return peer.handshake(kUpdate + kUpdate); });
}

TEST_CASE("handshake records are not empty, and their messages not cut by other records") {
  check_refused(true, Alert::kUnexpectedMessage, "an empty handshake record",
                [](RawPeer& peer) { return peer.handshake(""); });
  check_refused(
      true, Alert::kUnexpectedMessage, "another record inside of a handshake message",
      [](RawPeer& peer) { return peer.handshake(kUpdate.substr(0, 2)) + peer.data("x"); });
  for (const auto type : {ContentType::kAlert, ContentType::kApplicationData}) {
    check_refused(true, Alert::kUnexpectedMessage, "another record inside of a handshake message",
                  [&](RawPeer& peer) {
                    return peer.handshake(kUpdate.substr(0, 4)) +
                           peer.seal(type, type == ContentType::kAlert ? std::string(2, '\0') : "");
                  });
  }
}

TEST_CASE("a ticket of an impossible length is refused by its header") {
  const char* const text = "a NewSessionTicket of an impossible length";
  for (const std::string_view header :
       {std::string_view("\4\0\0\0", 4), std::string_view("\4\x02\x01\x0a", 4),
        std::string_view("\4\xff\xff\xff", 4)}) {
    check_refused(false, Alert::kIllegalParameter, text,
                  [&](RawPeer& peer) { return peer.handshake(header); });
  }
}

TEST_CASE("records without data come in a bounded row") {
  const struct {
    const char* name;
    std::function<std::string(RawPeer&)> make;
  } kinds[] = {
      {"empty", [](RawPeer& peer) { return peer.data(""); }},
      {"ticket", [](RawPeer& peer) { return peer.handshake({"\4\0\0\1t", 5}); }},
      {"user_canceled", [](RawPeer& peer) { return peer.alert(1, 90); }},
      {"update",
       [](RawPeer& peer) {
         auto record = peer.handshake(kUpdate);
         REQUIRE(peer.sealing.update());
         return record;
       }},
  };
  for (const auto& kind : kinds) {
    CAPTURE(kind.name);
    RawPeer peer;
    const auto layer = RawPeer::under_test(false, {.quiet_records = 5});
    std::string got, out;
    for (int row = 0; row < 3; ++row) {  // data starts a new row
      for (int i = 0; i < 5; ++i) REQUIRE(layer->open(bytes(kind.make(peer)), got, out));
      REQUIRE(layer->open(bytes(peer.data("x")), got, out));
    }
    for (int i = 0; i < 5; ++i) REQUIRE(layer->open(bytes(kind.make(peer)), got, out));
    check_refused(peer, *layer, kind.make(peer), Alert::kUnexpectedMessage,
                  "too many TLS records without data in a row");
  }
}

TEST_CASE("numbers are never used twice: the connection ends before they would") {
  RawPeer peer;
  const auto layer = RawPeer::under_test(true, {.last_sequence = 1});
  std::string got, out;
  REQUIRE(layer->open(bytes(peer.data("0") + peer.data("1")), got, out));
  check_refused(peer, *layer, peer.data("2"), Alert::kInternalError,
                "the peer's TLS records have used up their numbers");
  const auto sealing = RawPeer::under_test(true, {.last_sequence = 1});
  out.clear();
  REQUIRE(sealing->seal(bytes("0"), out));
  REQUIRE(sealing->seal(bytes("1"), out));
  const std::size_t size = out.size();
  CHECK_FALSE(sealing->seal(bytes("2"), out));
  CHECK_FALSE(sealing->seal(bytes("2"), out));
  sealing->close(out);
  CHECK(out.size() == size);
}

TEST_CASE("after our close_notify a failure sends no alert") {
  RawPeer peer;
  const auto layer = RawPeer::under_test(true);
  std::string got, out;
  layer->close(out);
  out.clear();
  CHECK_FALSE(layer->open(bytes("garbage"), got, out));
  CHECK(out.empty());
}
