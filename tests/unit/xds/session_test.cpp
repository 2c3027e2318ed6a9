// The server's half: what is sent when, and what an answer means.
#include "culvert/xds/session.hpp"

#include <doctest/doctest.h>

#include "culvert/xds/limits.hpp"
#include "fixtures.hpp"

using namespace culvert;
using namespace culvert::xds;
using namespace culvert::xds::testing;

namespace {

// The only response that may be sent now.
DeltaResponse one(Session& session) {
  auto all = session.responses();
  REQUIRE(all.size() == 1);
  return std::move(all[0]);
}

Session subscribed(ResourceSetPtr set) {
  Session session(std::move(set));
  REQUIRE(session.receive(request(kAddress)));
  REQUIRE(session.receive(request(kPolicy)));
  return session;
}

void ack_all(Session& session) {
  for (auto all = session.responses(); !all.empty(); all = session.responses()) {
    for (const auto& response : all) REQUIRE(session.receive(ack(response)));
  }
}

}  // namespace

TEST_CASE("nothing is sent before it is asked for, and then all of it, policies first") {
  Session session(set_of(1, {{"w", "1"}}, {{"p", "1"}}));
  CHECK(session.responses().empty());
  CHECK(session.acked_generation() == 0);
  REQUIRE(session.receive(request(kPolicy)));
  REQUIRE(session.receive(request(kAddress, {"*"})));
  const auto all = session.responses();
  REQUIRE(all.size() == 2);
  CHECK(all[0].type_url == kPolicy);
  CHECK(names(all[1]) == std::set<std::string>{"w"});
  CHECK(all[1].resources[0].type_url == kAddress);
  CHECK(all[1].type_url == kAddress);
  CHECK(all[0].nonce != all[1].nonce);
  CHECK(!all[0].nonce.empty());
}

TEST_CASE("an empty type is answered too, so that its subscriber gets ready") {
  Session session(set_of(1, {}));
  REQUIRE(session.receive(request(kAddress)));
  const auto response = one(session);
  CHECK(response.resources.empty());
  REQUIRE(session.receive(ack(response)));
  CHECK(session.acked_generation() == 1);
}

TEST_CASE("one response a type is outstanding; updates meanwhile leave together after its answer") {
  Session session(set_of(1, {{"a", "1"}}));
  REQUIRE(session.receive(request(kAddress)));
  const auto first = one(session);
  session.update(set_of(2, {{"a", "2"}, {"b", "2"}}));
  session.update(set_of(3, {{"a", "3"}}));
  CHECK(session.responses().empty());
  REQUIRE(session.receive(ack(first)));
  CHECK(session.acked_generation() == 1);
  const auto second = one(session);
  CHECK(names(second) == std::set<std::string>{"a"});
  CHECK(second.resources[0].bytes == "3");
  CHECK(second.removed.empty());
  REQUIRE(session.receive(ack(second)));
  CHECK(session.acked_generation() == 3);
}

TEST_CASE(
    "an update that changes nothing for the client counts as acknowledged without a response") {
  auto session = subscribed(set_of(1, {{"a", "1"}}, {{"p", "1"}}));
  ack_all(session);
  session.update(set_of(2, {{"a", "1"}}, {{"p", "2"}}));
  const auto response = one(session);
  CHECK(response.type_url == kPolicy);
  CHECK(session.acked_generation() == 1);
  REQUIRE(session.receive(ack(response)));
  CHECK(session.acked_generation() == 2);
}

TEST_CASE(
    "a NACK is recorded, its generation is not acknowledged, and the same is not sent again") {
  Session session(set_of(1, {{"a", "1"}}));
  REQUIRE(session.receive(request(kAddress)));
  ack_all(session);
  session.update(set_of(2, {{"a", "2"}}));
  REQUIRE(session.receive(nack(one(session), "a: no")));
  CHECK(session.nacks() == 1);
  CHECK(session.last_nack() == kAddress + ": a: no");
  CHECK(session.responses().empty());
  CHECK(session.acked_generation() == 1);
  session.update(set_of(3, {{"a", "2"}}));
  CHECK(session.responses().empty());
  CHECK(session.acked_generation() == 1);
  session.update(set_of(4, {{"a", "4"}}));
  REQUIRE(session.receive(ack(one(session))));
  CHECK(session.acked_generation() == 4);
}

TEST_CASE("stale, made-up and other types' nonces answer nothing") {
  auto session = subscribed(set_of(1, {{"a", "1"}}, {{"p", "1"}}));
  const auto all = session.responses();
  REQUIRE(all.size() == 2);
  DeltaRequest wrong = ack(all[0]);
  wrong.nonce = all[1].nonce;
  REQUIRE(session.receive(wrong));
  wrong = nack(all[0], "made up");
  wrong.nonce = "made up";
  REQUIRE(session.receive(wrong));
  CHECK(session.nacks() == 0);
  session.update(set_of(2, {{"a", "2"}}, {{"p", "2"}}));
  CHECK(session.responses().empty());
  REQUIRE(session.receive(ack(all[0])));
  REQUIRE(session.receive(ack(all[0])));
  const auto next = one(session);
  CHECK(next.type_url == kPolicy);
  REQUIRE(session.receive(ack(all[0])));  // stale by now
  CHECK(session.acked_generation() == 0);
  REQUIRE(session.receive(ack(all[1])));
  CHECK(one(session).type_url == kAddress);
}

TEST_CASE("initial versions spare what is the same and remove what is gone") {
  Session session(set_of(9, {{"same", "1"}, {"changed", "2"}, {"new", "1"}}));
  auto first = request(kAddress);
  first.initial_versions = {{"same", "v-1"}, {"changed", "v-1"}, {"gone", "v-1"}};
  REQUIRE(session.receive(first));
  const auto response = one(session);
  CHECK(names(response) == std::set<std::string>{"changed", "new"});
  CHECK(response.removed == std::vector<std::string>{"gone"});
}

TEST_CASE("names: only they are sent, absent ones are said to be absent, later they come") {
  Session session(set_of(1, {{"a", "1"}, {"b", "1"}}));
  REQUIRE(session.receive(request(kAddress, {"a", "absent"})));
  auto response = one(session);
  CHECK(names(response) == std::set<std::string>{"a"});
  CHECK(response.removed == std::vector<std::string>{"absent"});
  REQUIRE(session.receive(ack(response)));
  session.update(set_of(2, {{"a", "1"}, {"b", "2"}}));
  CHECK(session.responses().empty());
  session.update(set_of(3, {{"absent", "1"}}));
  response = one(session);
  CHECK(names(response) == std::set<std::string>{"absent"});
  CHECK(response.removed == std::vector<std::string>{"a"});
}

TEST_CASE("a name subscribed to again is sent again; an unsubscribed one no more") {
  Session session(set_of(1, {{"a", "1"}, {"b", "1"}}));
  REQUIRE(session.receive(request(kAddress, {"a", "b"})));
  ack_all(session);
  REQUIRE(session.receive(request(kAddress, {"a"})));
  const auto again = one(session);
  CHECK(names(again) == std::set<std::string>{"a"});
  auto change = ack(again);
  change.unsubscribe = {"a"};
  REQUIRE(session.receive(change));
  session.update(set_of(2, {{"a", "2"}, {"b", "2"}}));
  CHECK(names(one(session)) == std::set<std::string>{"b"});
}

TEST_CASE("the wildcard can be given up and taken again") {
  Session session(set_of(1, {{"a", "1"}, {"b", "1"}}));
  auto first = request(kAddress, {"*"});
  first.unsubscribe = {"*"};  // on demand from the start
  REQUIRE(session.receive(first));
  CHECK(one(session).resources.empty());
  auto session2 = Session(set_of(1, {{"a", "1"}, {"b", "1"}}));
  REQUIRE(session2.receive(request(kAddress)));
  ack_all(session2);
  auto without = request(kAddress);
  without.unsubscribe = {"*"};
  REQUIRE(session2.receive(without));
  session2.update(set_of(2, {{"a", "2"}}));
  CHECK(session2.responses().empty());
  CHECK(session2.acked_generation() == 0);
  REQUIRE(session2.receive(request(kAddress, {"*"})));
  CHECK(names(one(session2)) == std::set<std::string>{"a"});
}

TEST_CASE("a large set comes in bounded responses, acknowledged as a whole") {
  Contents many;
  for (std::size_t i = 0; i < kResponseResources + 5; ++i)
    many.emplace("a" + std::to_string(i), "1");
  Session session(set_of(1, many));
  REQUIRE(session.receive(request(kAddress)));
  const auto first = one(session);
  CHECK(first.resources.size() == kResponseResources);
  REQUIRE(session.receive(ack(first)));
  CHECK(session.acked_generation() == 0);
  const auto second = one(session);
  CHECK(second.resources.size() == 5);
  REQUIRE(session.receive(ack(second)));
  CHECK(session.acked_generation() == 1);
  session.update(set_of(2, {}));
  const auto third = one(session);
  CHECK(third.removed.size() == kResponseResources);
  REQUIRE(session.receive(ack(third)));
  CHECK(one(session).removed.size() == 5);
}

TEST_CASE("large resources are split by bytes; one beyond the bound travels alone") {
  const std::string large(kResponseBytes / 2 + 1, 'x');
  Session session(
      set_of(1, {{"a", large}, {"b", large}, {"c", std::string(kResponseBytes + 1, 'y')}}));
  REQUIRE(session.receive(request(kAddress)));
  for (const char* name : {"a", "b", "c"}) {
    const auto response = one(session);
    CHECK(names(response) == std::set<std::string>{name});
    REQUIRE(session.receive(ack(response)));
  }
  CHECK(session.acked_generation() == 1);
}

TEST_CASE("a policy is removed only when no workload sent still names it") {
  Contents many, fewer;
  for (std::size_t i = 0; i < kResponseResources + 5; ++i) {
    many.emplace("w" + std::to_string(i), "names p");
    fewer.emplace("w" + std::to_string(i), "names none");
  }
  auto session = subscribed(set_of(1, many, {{"p", "1"}}));
  ack_all(session);
  session.update(set_of(2, fewer, {{"q", "1"}}));
  auto all = session.responses();
  REQUIRE(all.size() == 2);  // the new policy, and a part of the addresses
  CHECK(all[1].type_url == kAddress);
  CHECK(names(all[0]) == std::set<std::string>{"q"});
  CHECK(all[0].removed.empty());
  REQUIRE(session.receive(ack(all[0])));
  CHECK(session.responses().empty());
  REQUIRE(session.receive(ack(all[1])));
  all = session.responses();
  REQUIRE(all.size() == 2);
  CHECK(all[0].type_url == kAddress);
  CHECK(all[1].removed == std::vector<std::string>{"p"});
  CHECK(session.acked_generation() == 1);
  for (const auto& response : all) REQUIRE(session.receive(ack(response)));
  CHECK(session.acked_generation() == 2);
}

TEST_CASE("an address waits until every new policy was sent, also when they are many") {
  Contents many;
  for (std::size_t i = 0; i < kResponseResources + 5; ++i)
    many.emplace("p" + std::to_string(i), "1");
  auto session = subscribed(set_of(1, {{"w", "names p0"}}, many));
  const auto first = one(session);
  CHECK(first.type_url == kPolicy);
  REQUIRE(session.receive(ack(first)));
  const auto rest = session.responses();
  REQUIRE(rest.size() == 2);
  CHECK(rest[0].resources.size() == 5);
  CHECK(names(rest[1]) == std::set<std::string>{"w"});
}

TEST_CASE(
    "on a new stream too a policy is removed after the addresses, though they are asked for "
    "later") {
  Session session(set_of(2, {{"w", "names none"}}));
  auto policies = request(kPolicy), addresses = request(kAddress);
  policies.initial_versions = {{"p", "v-1"}};
  addresses.initial_versions = {{"w", "v-names p"}};
  REQUIRE(session.receive(policies));
  const auto first = one(session);
  CHECK(first.removed.empty());
  REQUIRE(session.receive(addresses));
  CHECK(names(one(session)) == std::set<std::string>{"w"});
  REQUIRE(session.receive(ack(first)));
  CHECK(one(session).removed == std::vector<std::string>{"p"});
}

TEST_CASE("hostile requests end the stream with a reason") {
  Session session(set_of(1, {}));
  CHECK(session.receive(request("")).error().code == ErrorCode::kProtocol);
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= kMaxSubscribedNames; ++i) many.push_back(std::to_string(i));
  CHECK(session.receive(request(kAddress, many)).error().code == ErrorCode::kLimit);
  CHECK(session.receive(request(std::string(100'000, 't'))).error().code == ErrorCode::kLimit);
  bool refused = false;
  for (std::size_t i = 0; i <= kMaxTypes && !refused; ++i)
    refused = !session.receive(request("t" + std::to_string(i)));
  CHECK(refused);
  Session named(set_of(1, {}));
  auto first = request(kAddress);
  first.node = Node{std::string(100'000, 'x'), "", {}};
  REQUIRE(named.receive(first));
  CHECK(named.node_id().size() == kMaxNameBytes);
  REQUIRE(named.receive(nack(one(named), std::string(100'000, 'n'))));
  CHECK(named.last_nack().size() <= kMaxNackTextBytes);
}
