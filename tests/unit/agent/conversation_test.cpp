// What ztunnel is told and when, and its bytes.
#include "conversation.hpp"

#include <doctest/doctest.h>

#include "pretended_node.hpp"
#include "zds_messages.hpp"

using namespace culvert;
using namespace culvert::agent;
using namespace std::chrono_literals;
using culvert::agent::testing::spec_of;

namespace {

using Clock = Conversation::Clock;
const Clock::time_point kStart{};

Handover::Pods pods(std::initializer_list<Pod> list) {
  Handover::Pods out;
  for (const Pod& pod : list) out[pod.spec.uid] = pod;
  return out;
}
const Pod kOne{spec_of("u1", "/n/a"), 7};
const Pod kTwo{spec_of("u2", "/n/b"), 8};

// Tells all there is to tell, each acknowledged; the steps as text.
std::string tell_all(Conversation& conversation, const Handover::Pods& wanted, Clock::time_point now = kStart) {
  std::string out;
  while (auto step = conversation.next(wanted, true, now)) {
    if (const auto* add = std::get_if<AddPod>(&*step)) out += "+" + add->pod.spec.uid;
    if (const auto* remove = std::get_if<RemovePod>(&*step)) out += "-" + remove->uid;
    if (std::holds_alternative<EndSnapshot>(*step)) out += ".";
    conversation.answered(*step, "", now);
  }
  return out;
}

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("the snapshot comes first and ends once; then only differences are told") {
  Conversation c;
  CHECK_FALSE(c.next(pods({kOne}), false, kStart).has_value());
  CHECK(tell_all(c, pods({kOne, kTwo})) == "+u1+u2.");
  CHECK(tell_all(c, pods({kOne, kTwo})) == "");
  CHECK(tell_all(c, pods({kTwo})) == "-u1");
  CHECK(tell_all(c, pods({kOne, kTwo})) == "+u1");
}

TEST_CASE("an empty node still sends its snapshot's end") {
  Conversation c;
  CHECK(tell_all(c, {}) == ".");
}

TEST_CASE("a pod that went away during the snapshot is removed after it") {
  Conversation c;
  c.answered(AddPod{kOne}, "", kStart);
  CHECK(tell_all(c, pods({kTwo})) == "+u2.-u1");
}

TEST_CASE("the same uid in another namespace is removed and added") {
  Conversation c;
  tell_all(c, pods({kOne}));
  CHECK(tell_all(c, pods({Pod{kOne.spec, 9}})) == "-u1+u1");
}

TEST_CASE("a failed pod does not hold up the snapshot, and is told again with a growing delay") {
  Conversation c;
  c.answered(AddPod{kOne}, "no listener", kStart);
  CHECK(tell_all(c, pods({kOne})) == ".");
  CHECK(c.retry_at() == kStart + 1s);
  CHECK_FALSE(c.next(pods({kOne}), true, kStart + 999ms).has_value());
  REQUIRE(c.next(pods({kOne}), true, kStart + 1s).has_value());
  c.answered(AddPod{kOne}, "no listener", kStart + 1s);
  CHECK(c.retry_at() == kStart + 3s);
  for (int i = 0; i < 10; ++i) c.answered(AddPod{kOne}, "no listener", kStart);
  CHECK(c.retry_at() == kStart + kMaxRetry);
  c.answered(AddPod{kOne}, "", kStart);
  CHECK(c.retry_at() == Clock::time_point::max());
}

TEST_CASE("the handover forgets ztunnel's answers when another ztunnel is served") {
  Handover handover;
  handover.add(kOne);
  handover.served(true);
  handover.answered("u1", 6, ZtunnelState::kAcked, "");
  CHECK(handover.state("u1").state == ZtunnelState::kPending);
  handover.answered("u1", 7, ZtunnelState::kAcked, "");
  CHECK(handover.wait("u1", 0ms).state == ZtunnelState::kAcked);
  handover.served(true);
  CHECK(handover.wait("u1", 1ms).state == ZtunnelState::kPending);
}

TEST_CASE("the messages are Istio's bytes") {
  CHECK(decode_hello(bytes(std::string("\x08\x01", 2))).has_value());
  CHECK_FALSE(decode_hello(bytes("")).has_value());
  CHECK_FALSE(decode_hello(bytes(std::string("\x08\x02", 2))).has_value());
  CHECK(decode_ack(bytes(std::string("\x0a\x00", 2))).value() == "");
  CHECK(decode_ack(bytes(std::string("\x0a\x04\x0a\x02no", 6))).value() == "no");
  CHECK_FALSE(decode_ack(bytes("")).has_value());
  CHECK_FALSE(decode_ack(bytes("garbage")).has_value());
  CHECK(encode(RemovePod{"u1"}) == std::string("\x12\x04\x12\x02u1", 6));
  CHECK(encode(EndSnapshot{}) == std::string("\x1a\x00", 2));
}

TEST_CASE("the longest pod fits into the 1,024 bytes that Istio's ztunnel reads") {
  PodSpec spec = spec_of(std::string(128, 'u'), "/n/a");
  spec.pod_namespace = std::string(63, 'n');
  spec.name = std::string(253, 'p');
  spec.service_account = std::string(253, 's');
  CHECK(encode(AddPod{{spec, 7}}).size() <= 1024);
}
