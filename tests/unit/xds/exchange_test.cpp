// Both halves against each other over their wire form, under random changes and cut streams: when
// all is quiet, the client holds what the server serves.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "culvert/xds/session.hpp"
#include "culvert/xds/subscriber.hpp"
#include "fixtures.hpp"

using namespace culvert;
using namespace culvert::xds;
using namespace culvert::xds::testing;

namespace {

// A client and the streams it opens one after the other; messages wait in queues like on a wire.
struct World {
  std::mt19937 random;
  MemorySink sink;
  Subscriber client{Node{"n", "", {}}, {kPolicy, kAddress}, sink};
  ResourceSetPtr set = set_of(1, {});
  std::unique_ptr<Session> session;
  std::deque<std::string> to_client, to_server;

  explicit World(unsigned seed) : random(seed) { connect(); }

  int pick(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }

  void connect() {
    to_client.clear();
    to_server.clear();
    session = std::make_unique<Session>(set);
    for (const auto& request : client.start_stream()) to_server.push_back(serialize(request));
  }
  void pump() {
    for (const auto& response : session->responses()) to_client.push_back(serialize(response));
  }
  void server_step() {
    if (to_server.empty()) return;
    const auto request = parse_delta_request(to_server.front());
    to_server.pop_front();
    REQUIRE(request);
    REQUIRE(session->receive(*request));
    pump();
  }
  void client_step() {
    if (to_client.empty()) return;
    auto response = parse_delta_response(to_client.front());
    to_client.pop_front();
    REQUIRE(response);
    const auto answer = client.receive(std::move(*response));
    REQUIRE(answer);
    to_server.push_back(serialize(*answer));
  }
  void change(bool with_bad) {
    auto next = std::make_shared<ResourceSet>(*set);
    ++next->generation;
    for (int edits = pick(5); edits >= 0; --edits) {
      auto& type = next->types[pick(2) == 0 ? kAddress : kPolicy];
      const auto name = "r" + std::to_string(pick(20));
      if (pick(3) == 0) {
        type.erase(name);
        continue;
      }
      const auto bytes = (with_bad && pick(6) == 0 ? "bad" : "") + std::to_string(pick(4));
      type[name] = {"v-" + bytes, bytes};
    }
    set = next;
    session->update(set);
    pump();
  }
  // Addresses whose content is the name of a policy that is served, or empty.
  void change_named() {
    auto next = std::make_shared<ResourceSet>();
    next->generation = set->generation + 1;
    auto& policies = next->types[kPolicy];
    for (int i = pick(6); i > 0; --i) {
      const auto bytes = std::to_string(pick(3));
      policies["p" + std::to_string(pick(8))] = {"v-" + bytes, bytes};
    }
    auto& addresses = next->types[kAddress];
    for (int i = pick(10); i > 0; --i) {
      const auto named = policies.empty()
                             ? policies.end()
                             : std::next(policies.begin(), pick(static_cast<int>(policies.size())));
      const auto bytes = named == policies.end() ? "" : named->first;
      addresses["w" + std::to_string(pick(10))] = {"v-" + bytes, bytes};
    }
    set = next;
    session->update(set);
    pump();
  }
  bool every_named_policy_is_there() {
    return std::ranges::all_of(sink[kAddress], [&](const auto& address) {
      return address.second.empty() || sink[kPolicy].contains(address.second);
    });
  }
  void run(int steps, bool with_bad) {
    for (int i = 0; i < steps; ++i) {
      switch (pick(8)) {
        case 0:
          change(with_bad);
          break;
        case 1:
          if (pick(10) == 0) connect();
          break;
        case 2:
        case 3:
        case 4:
          server_step();
          break;
        default:
          client_step();
          break;
      }
    }
  }
  void settle() {
    while (!to_client.empty() || !to_server.empty()) {
      server_step();
      client_step();
    }
  }
  Contents served(const std::string& type) const {
    Contents out;
    for (const auto& [name, resource] : set->types.at(type)) out.emplace(name, resource.bytes);
    return out;
  }
};

}  // namespace

TEST_CASE("after any changes and any cut streams the client holds what the server serves") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.run(400, false);
    world.settle();
    CHECK(world.sink[kAddress] == world.served(kAddress));
    CHECK(world.sink[kPolicy] == world.served(kPolicy));
    CHECK(world.session->acked_generation() == world.set->generation);
    CHECK(world.session->nacks() == 0);
    CHECK(world.client.ready());
  }
}

TEST_CASE("at no moment does an address that the client holds name a policy that it does not") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (int i = 0; i < 300; ++i) {
      switch (world.pick(7)) {
        case 0:
          world.change_named();
          break;
        case 1:
          if (world.pick(5) == 0) world.connect();
          break;
        case 2:
        case 3:
          world.server_step();
          break;
        default:
          world.client_step();
          REQUIRE(world.every_named_policy_is_there());
          break;
      }
    }
    world.settle();
    CHECK(world.sink[kAddress] == world.served(kAddress));
    CHECK(world.sink[kPolicy] == world.served(kPolicy));
  }
}

TEST_CASE(
    "with bad resources among them the client holds every good one and a last good state of the "
    "bad") {
  std::uint64_t nacks = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.run(400, true);
    world.settle();
    nacks += world.client.nacks();
    for (const auto& type : {kAddress, kPolicy}) {
      const auto served = world.served(type);
      for (const auto& [name, bytes] : served) {
        if (bytes.find("bad") == std::string::npos) CHECK(world.sink[type][name] == bytes);
      }
      for (const auto& [name, bytes] : world.sink[type]) {
        CHECK(served.contains(name));
        CHECK(bytes.find("bad") == std::string::npos);
      }
    }
  }
  CHECK(nacks > 100);
}

TEST_CASE("a reconnect without changes carries no resource") {
  World world(1);
  world.run(300, false);
  world.settle();
  const auto added = world.sink.added;
  const auto removed = world.sink.removed;
  world.connect();
  world.settle();
  CHECK(world.sink.added == added);
  CHECK(world.sink.removed == removed);
  CHECK(world.session->acked_generation() == world.set->generation);
}

TEST_CASE("a rejected resource that the server drops while the stream is down is removed") {
  World world(1);
  world.set = set_of(1, {{"a", "1"}});
  world.connect();
  world.settle();
  world.session->update(set_of(2, {{"a", "bad"}}));
  world.pump();
  world.settle();
  CHECK(world.sink[kAddress] == Contents{{"a", "1"}});
  world.set = set_of(3, {});
  world.connect();
  world.settle();
  CHECK(world.sink[kAddress].empty());
}
