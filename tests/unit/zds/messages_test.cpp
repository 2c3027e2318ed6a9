#include "culvert/zds/messages.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace culvert;
using namespace culvert::zds;

namespace {
std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
const Workload kPod{"uid-1", "web-0", "shop", "web"};
}  // namespace

TEST_CASE("hello and ack have the bytes that Istio's ztunnel sends") {
  CHECK(encode_hello() == std::string("\x08\x01", 2));
  CHECK(encode_ack("") == std::string("\x0a\x00", 2));
  CHECK(check_hello(bytes(std::string_view("\x08\x01", 2))));
  CHECK(decode_ack(bytes(std::string_view("\x0a\x00", 2)))->error.empty());
}

TEST_CASE("requests have the bytes of Istio's protocol") {
  CHECK(*encode(SnapshotSent{}) == std::string("\x1a\x00", 2));
  CHECK(*encode(Keep{"u"}) == std::string("\x2a\x03\x0a\x01u", 5));
  CHECK(*encode(Del{"u"}) == std::string("\x12\x03\x12\x01u", 5));
  CHECK(*encode(Add{{"u", "n", "s", "a"}}) ==
        std::string("\x0a\x0e\x0a\x01u\x12\x09\x0a\x01n\x12\x01s\x1a\x01", 15) + "a");
}

TEST_CASE("every request survives the round trip") {
  for (const Request& request : {Request(Add{kPod}), Request(Keep{"uid-1"}), Request(Del{"uid-1"}),
                                 Request(SnapshotSent{})}) {
    CHECK(*decode_request(bytes(*encode(request))) == request);
  }
}

TEST_CASE("bad packets are refused") {
  CHECK(decode_request({}).error().code == ErrorCode::kProtocol);
  CHECK(decode_request(bytes("\xff\xff\xff")).error().code == ErrorCode::kProtocol);
  CHECK(decode_request(bytes(std::string_view("\x2a\x00", 2))).error().code ==
        ErrorCode::kProtocol);
  CHECK(decode_request(bytes(std::string(kMaxPacketBytes + 1, '\x0a'))).error().code ==
        ErrorCode::kLimit);
  CHECK(decode_ack({}).error().code == ErrorCode::kProtocol);
  CHECK(check_hello({}).error().code == ErrorCode::kProtocol);
  CHECK(check_hello(bytes("\x08\x02")).error().code == ErrorCode::kProtocol);
  const auto whole = *encode(Add{kPod});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = decode_request(bytes(std::string_view(whole).substr(0, size)));
    if (cut) CHECK_FALSE(*cut == Request(Add{kPod}));
  }
}

TEST_CASE("random packets never crash the decoders") {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string packet(random() % 40, '\0');
    for (auto& c : packet) c = static_cast<char>(random() % 5 == 0 ? random() : random() % 0x30);
    (void)decode_request(bytes(packet));
    (void)decode_ack(bytes(packet));
    (void)check_hello(bytes(packet));
  }
}

TEST_CASE("what does not fit in a packet is not sent") {
  CHECK(encode(Keep{""}).error().code == ErrorCode::kInvalid);
  CHECK(encode(Del{std::string(kMaxUidBytes + 1, 'u')}).error().code == ErrorCode::kInvalid);
  auto pod = kPod;
  pod.name.assign(kMaxPacketBytes, 'n');
  CHECK(encode(Add{pod}).error().code == ErrorCode::kLimit);
  // The longest names that Kubernetes allows do fit.
  CHECK(encode(Add{{std::string(kMaxUidBytes, 'u'), std::string(253, 'n'), std::string(63, 's'),
                    std::string(253, 'a')}}));
}

TEST_CASE("an ack's error is printable and fits") {
  const auto ack = decode_ack(bytes(encode_ack("bind\n\xff" + std::string(5000, 'x'))));
  REQUIRE(ack);
  CHECK(ack->error.starts_with("bind??xxx"));
  CHECK(ack->error.size() == kMaxAckErrorBytes);
  CHECK(encode_ack(std::string(5000, 'x')).size() <= kMaxPacketBytes);
}
