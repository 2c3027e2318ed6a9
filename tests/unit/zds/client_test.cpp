#include "culvert/zds/client.hpp"

#include <doctest/doctest.h>

#include "culvert/zds/server.hpp"

using namespace culvert;
using namespace culvert::zds;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
Workload pod(const std::string& uid) {
  return {uid, "pod-" + uid, "shop", "web"};
}

struct Ztunnel {
  Client client;
  Ztunnel() { CHECK(client.connected() == encode_hello()); }

  // "-a" for a stop, "+a" for a start; "!" and the text for an error. Acks with `start_error`.
  std::string take(const Request& request, std::optional<std::uint64_t> netns = {},
                   const char* start_error = "") {
    const auto step = client.on_packet(bytes(*encode(request)), netns);
    if (!step) return std::string("!") + step.error().text;
    std::string out;
    for (const auto& uid : step->stop) out += "-" + uid;
    if (step->start) out += "+" + step->start->uid;
    CHECK(decode_ack(bytes(client.finish(start_error)))->error == start_error);
    return out;
  }
};

}  // namespace

TEST_CASE("a snapshot starts what it names, and makes ztunnel ready") {
  Ztunnel ztunnel;
  CHECK(ztunnel.take(Add{pod("a")}, 1) == "+a");
  CHECK(ztunnel.take(Add{pod("b")}, 2) == "+b");
  CHECK_FALSE(ztunnel.client.ready());
  CHECK(ztunnel.take(SnapshotSent{}).empty());
  CHECK(ztunnel.client.ready());
  CHECK(ztunnel.take(Del{"a"}) == "-a");
  CHECK(ztunnel.take(Del{"a"}).empty());
  CHECK_FALSE(ztunnel.client.knows("a"));
}

TEST_CASE("after a reconnection what the snapshot does not name is dropped, the rest runs on") {
  Ztunnel ztunnel;
  for (const char* uid : {"a", "b", "c"}) ztunnel.take(Add{pod(uid)}, 1);
  ztunnel.take(SnapshotSent{});
  ztunnel.client.disconnected();
  CHECK_FALSE(ztunnel.client.ready());
  CHECK(ztunnel.client.knows("a"));
  ztunnel.client.connected();
  CHECK_FALSE(ztunnel.client.ready());
  CHECK(ztunnel.take(Add{pod("a")}, 1).empty());  // the same netns: it runs already
  CHECK(ztunnel.take(Keep{"b"}).empty());
  CHECK(ztunnel.take(SnapshotSent{}) == "-c");
  CHECK(ztunnel.client.ready());
}

TEST_CASE("another netns or other facts replace a workload") {
  Ztunnel ztunnel;
  ztunnel.take(Add{pod("a")}, 1);
  CHECK(ztunnel.take(Add{pod("a")}, 2) == "-a+a");
  auto other = pod("a");
  other.service_account = "db";
  CHECK(ztunnel.take(Add{other}, 2) == "-a+a");
  CHECK(ztunnel.take(Add{other}, 2).empty());
}

TEST_CASE("a workload that failed to start keeps ztunnel unready until a retry succeeds") {
  Ztunnel ztunnel;
  CHECK(ztunnel.take(Add{pod("a")}, 1, "bind failed") == "+a");
  ztunnel.take(SnapshotSent{});
  CHECK_FALSE(ztunnel.client.ready());
  REQUIRE(ztunnel.client.pending().size() == 1);
  CHECK(ztunnel.client.pending()[0] == pod("a"));
  CHECK(ztunnel.client.retried("a"));
  CHECK(ztunnel.client.ready());
  CHECK(ztunnel.client.pending().empty());
  CHECK_FALSE(ztunnel.client.retried("gone"));
}

TEST_CASE("a pending workload is started by a new add and removed by a del") {
  Ztunnel ztunnel;
  ztunnel.take(SnapshotSent{});
  ztunnel.take(Add{pod("a")}, 1, "bind failed");
  CHECK(ztunnel.take(Add{pod("a")}, 1) == "-a+a");
  CHECK(ztunnel.client.ready());
  ztunnel.take(Add{pod("b")}, 2, "bind failed");
  CHECK(ztunnel.take(Del{"b"}) == "-b");
  CHECK(ztunnel.client.ready());
}

TEST_CASE("breaches of the protocol are errors") {
  Ztunnel ztunnel;
  CHECK(ztunnel.take(Del{"a"}) == "!ZDS del before the snapshot");
  CHECK(ztunnel.take(Add{pod("a")}) == "!ZDS add without a network namespace");
  CHECK(ztunnel.take(Keep{"a"}, 1) == "!ZDS request with a stray descriptor");
  ztunnel.take(SnapshotSent{});
  CHECK(ztunnel.take(Keep{"a"}) == "!ZDS keep after the snapshot");
  CHECK(ztunnel.take(SnapshotSent{}) == "!ZDS snapshot sent twice");
}

TEST_CASE("agent and ztunnel agree through changes and reconnections") {
  using namespace std::chrono_literals;
  Client client;
  ServerConnection::TimePoint now{1s};
  std::map<std::string, std::uint64_t> wanted;
  for (int round = 0; round < 50; ++round) {
    ServerConnection server;
    for (const auto& [uid, netns] : wanted) server.add(pod(uid), netns, round % 3 != 0);
    REQUIRE(server.on_packet(bytes(client.connected()), now));
    for (int step = 0; step < 40; ++step) {
      const std::string uid(1, static_cast<char>('a' + (step * 7 + round) % 9));
      if (step < 20 && (step + round) % 2 == 0) {
        wanted[uid] = static_cast<std::uint64_t>(1 + (step + round) % 3);
        server.add(pod(uid), wanted[uid]);
      } else if (step < 20) {
        wanted.erase(uid);
        server.remove(uid);
      }
      const auto send = server.next(now);
      REQUIRE(send);
      if (!*send) continue;
      std::optional<std::uint64_t> netns;
      if (!(*send)->attach_netns_of.empty()) netns = wanted.at((*send)->attach_netns_of);
      REQUIRE(client.on_packet(bytes((*send)->packet), netns));
      REQUIRE(server.on_packet(bytes(client.finish()), now));
    }
    CHECK(client.ready());
    for (char c = 'a'; c < 'j'; ++c) {
      CHECK(client.knows(std::string(1, c)) == wanted.contains(std::string(1, c)));
    }
    client.disconnected();
  }
}
