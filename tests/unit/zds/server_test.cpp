#include "culvert/zds/server.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::zds;
using State = ServerConnection::PodState;
using namespace std::chrono_literals;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
Workload pod(const std::string& uid) {
  return {uid, "pod-" + uid, "shop", "web"};
}

struct Agent {
  ServerConnection connection;
  ServerConnection::TimePoint now{100s};

  void hello() { REQUIRE(connection.on_packet(bytes(encode_hello()), now)); }
  void ack(const char* error = "") { REQUIRE(connection.on_packet(bytes(encode_ack(error)), now)); }
  // The next request, "add a", "keep a", "del a", "snapshot" or "" when there is none.
  std::string next() {
    const auto send = connection.next(now);
    REQUIRE(send);
    if (!*send) return "";
    const auto request = *decode_request(bytes((*send)->packet));
    if (const auto* add = std::get_if<Add>(&request)) {
      CHECK((*send)->attach_netns_of == add->workload.uid);
      return "add " + add->workload.uid;
    }
    CHECK((*send)->attach_netns_of.empty());
    if (const auto* keep = std::get_if<Keep>(&request)) return "keep " + keep->uid;
    if (const auto* del = std::get_if<Del>(&request)) return "del " + del->uid;
    return "snapshot";
  }
  void sync() {
    hello();
    while (!connection.synced()) {
      next();
      ack();
    }
  }
};

}  // namespace

TEST_CASE("nothing is sent before hello, then the snapshot in lock-step") {
  Agent agent;
  agent.connection.add(pod("a"), 1);
  agent.connection.add(pod("b"), 2, /*netns_at_hand=*/false);
  CHECK(agent.next().empty());
  agent.hello();
  CHECK(agent.next() == "add a");
  CHECK(agent.next().empty());  // one outstanding
  CHECK(agent.connection.status("a")->state == State::kPending);
  agent.ack();
  CHECK(agent.connection.status("a")->state == State::kAcked);
  CHECK(agent.next() == "keep b");
  agent.ack();
  CHECK(agent.next() == "snapshot");
  CHECK_FALSE(agent.connection.synced());
  agent.ack();
  CHECK(agent.connection.synced());
  CHECK(agent.next().empty());
  CHECK_FALSE(agent.connection.next_deadline());
}

TEST_CASE("an empty node still sends its snapshot") {
  Agent agent;
  agent.hello();
  CHECK(agent.next() == "snapshot");
}

TEST_CASE("pods come and go after the snapshot") {
  Agent agent;
  agent.sync();
  agent.connection.add(pod("a"), 1);
  CHECK(agent.next() == "add a");
  agent.ack();
  agent.connection.add(pod("a"), 1);  // again: nothing to say
  CHECK(agent.next().empty());
  agent.connection.remove("a");
  CHECK_FALSE(agent.connection.status("a"));
  CHECK(agent.next() == "del a");
  agent.ack();
  CHECK(agent.next().empty());
  agent.connection.remove("unknown");
  CHECK(agent.next().empty());
}

TEST_CASE("a pod that goes during the snapshot is deleted only after it") {
  Agent agent;
  agent.connection.add(pod("a"), 1);
  agent.connection.add(pod("b"), 2);
  agent.hello();
  CHECK(agent.next() == "add a");
  agent.connection.remove("a");
  agent.connection.remove("b");  // never sent: nothing to delete
  agent.ack();
  CHECK(agent.next() == "snapshot");
  agent.ack();
  CHECK(agent.next() == "del a");
  agent.ack();
  CHECK(agent.next().empty());
}

TEST_CASE("a refused pod is retried after a while, also when refused in the snapshot") {
  Agent agent;
  agent.connection.add(pod("a"), 1);
  agent.hello();
  CHECK(agent.next() == "add a");
  agent.ack("no netns");
  CHECK(agent.connection.status("a")->state == State::kFailed);
  CHECK(agent.connection.status("a")->error == "no netns");
  CHECK(agent.next() == "snapshot");
  agent.ack();
  CHECK(agent.next().empty());
  CHECK(agent.connection.next_deadline() == agent.now + kRetryDelay);
  agent.now += kRetryDelay;
  CHECK(agent.next() == "add a");
  agent.ack();
  CHECK(agent.connection.status("a")->state == State::kAcked);
}

TEST_CASE("a refused pod that goes is deleted at ztunnel") {
  Agent agent;
  agent.sync();
  agent.connection.add(pod("a"), 1);
  CHECK(agent.next() == "add a");
  agent.ack("bind failed");
  agent.connection.remove("a");
  CHECK(agent.next() == "del a");
}

TEST_CASE("a new netns is told again, also while the old one is on its way") {
  Agent agent;
  agent.sync();
  agent.connection.add(pod("a"), 1);
  CHECK(agent.next() == "add a");
  agent.connection.add(pod("a"), 2);
  agent.ack();  // answers the old one
  CHECK(agent.connection.status("a")->state == State::kPending);
  CHECK(agent.next() == "add a");
  agent.ack();
  CHECK(agent.connection.status("a")->state == State::kAcked);
  agent.connection.remove("a");
  agent.connection.add(pod("a"), 3);
  CHECK(agent.next() == "add a");
}

TEST_CASE("a pod that returns while its deletion is on its way is added again") {
  Agent agent;
  agent.connection.add(pod("a"), 1);
  agent.sync();
  agent.connection.remove("a");
  CHECK(agent.next() == "del a");
  agent.connection.add(pod("a"), 1);
  agent.ack();
  CHECK(agent.next() == "add a");
}

TEST_CASE("one pod at a time, in turn, and a failing one does not hold up the others") {
  Agent agent;
  agent.sync();
  agent.connection.add(pod("a"), 1);
  agent.connection.add(pod("b"), 2);
  CHECK(agent.next() == "add a");
  agent.ack("broken");
  CHECK(agent.next() == "add b");
  agent.ack();
  CHECK(agent.next().empty());
}

TEST_CASE("an overdue ack, an ack too many and a wrong hello end the connection") {
  Agent agent;
  agent.hello();
  CHECK(agent.connection.on_packet(bytes(encode_ack("")), agent.now).error().code ==
        ErrorCode::kProtocol);
  CHECK(agent.next() == "snapshot");
  CHECK(agent.connection.next_deadline() == agent.now + kAckTimeout);
  agent.now += kAckTimeout;
  CHECK(agent.connection.next(agent.now).error().code == ErrorCode::kTimeout);
  ServerConnection other;
  CHECK_FALSE(other.on_packet(bytes("junk"), agent.now));
}

TEST_CASE("a pod that cannot be told says so and blocks nobody") {
  Agent agent;
  agent.sync();
  auto endless = pod("a");
  endless.name.assign(2000, 'n');
  agent.connection.add(endless, 1);
  agent.connection.add(pod("b"), 2);
  agent.connection.add(pod("c"), 3, /*netns_at_hand=*/false);
  CHECK(agent.next() == "add b");
  agent.ack();
  CHECK(agent.next().empty());
  CHECK(agent.connection.status("a")->error == "ZDS packet over 1024 bytes");
  CHECK(agent.connection.status("c")->error == "the pod's network namespace is not at hand");
  const std::string long_uid(kMaxUidBytes + 1, 'u');
  agent.connection.add(pod(long_uid), 4);
  CHECK(agent.next().empty());
  agent.connection.remove(long_uid);
  CHECK(agent.next().empty());
}
