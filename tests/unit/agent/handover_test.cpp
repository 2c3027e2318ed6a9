// What ztunnel should hold and how far it is.
#include "handover.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "culvert/zds/messages.hpp"
#include "pod_json.hpp"
#include "pretended_node.hpp"

using namespace culvert::agent;
using namespace std::chrono_literals;
using culvert::agent::testing::spec_of;

namespace {
const Pod kPod{spec_of("u1", "/n/a"), 7};
}

TEST_CASE(
    "an answer counts for the namespace that it was given for, and only while that ztunnel is "
    "served") {
  Handover handover;
  handover.add(kPod);
  handover.served(true);
  handover.answered("u1", 6, ZtunnelState::kAcked, "");
  CHECK(handover.state("u1").state == ZtunnelState::kPending);
  handover.answered("u1", 7, ZtunnelState::kAcked, "");
  CHECK(handover.wait("u1", 0ms).state == ZtunnelState::kAcked);
  handover.served(true);
  CHECK(handover.wait("u1", 1ms).state == ZtunnelState::kPending);
}

TEST_CASE("a waiting thread is woken by the answer, and by the pod's removal") {
  Handover handover;
  handover.add(kPod);
  std::thread answer([&] { handover.answered("u1", 7, ZtunnelState::kFailed, "no"); });
  CHECK(handover.wait("u1", 10s).error == "no");
  answer.join();
  handover.served(false);
  std::thread remove([&] { handover.remove("u1"); });
  CHECK(handover.wait("u1", 10s).state == ZtunnelState::kPending);
  remove.join();
}

TEST_CASE("no wait lasts longer than the end of answering, whenever it began") {
  Handover handover;
  handover.add(kPod);
  std::thread ending([&] { handover.answer_by(std::chrono::steady_clock::now()); });
  CHECK(handover.wait("u1", 1h).state == ZtunnelState::kPending);
  ending.join();
  CHECK(handover.wait("u1", 1h).state == ZtunnelState::kPending);
}

TEST_CASE("only changes are announced") {
  Handover handover;
  int changes = 0;
  handover.on_change([&] { ++changes; });
  handover.add(kPod);
  handover.add(kPod);
  handover.remove("u1");
  handover.remove("u1");
  CHECK(changes == 2);
}

TEST_CASE("the longest names that are admitted fit into a ZDS packet") {
  static_assert(kMaxUidBytes == culvert::zds::kMaxUidBytes);
  const culvert::zds::Workload longest{
      std::string(kMaxUidBytes, 'u'), std::string(kMaxNameBytes, 'p'),
      std::string(kMaxNamespaceBytes, 'n'), std::string(kMaxNameBytes, 's')};
  CHECK(culvert::zds::encode(culvert::zds::Add{longest}).has_value());
}
