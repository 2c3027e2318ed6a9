// The cache of verified peers: what it saves, and that it lets nobody in who would be refused.
#include "verified_peers.hpp"

#include <thread>

#include "pair.hpp"

using namespace culvert;
using namespace culvert::test;
using tls::Role;
using tls::VerifiedPeers;
using namespace std::chrono_literals;

namespace {

const VerifiedPeers::TimePoint kNow = std::chrono::system_clock::now();

VerifiedPeers::Key key(std::uint8_t trust, std::uint8_t leaf) {
  return {{trust}, {leaf}};
}
tls::VerifiedPeer peer(const char* identity) {
  tls::VerifiedPeer out;
  out.peer.identity = identity;
  out.not_before = kNow - 1s;
  out.not_after = kNow + 10s;
  return out;
}

std::uint64_t hits() {
  return VerifiedPeers::of_this_thread().hits();
}

// Both errors of a handshake between a web client and a db server.
struct Met {
  std::optional<Error> client, server;
};
Met meet(const tls::Context& client, const tls::Context& server,
         tls::Expected at_client = {.identities = {kDb}}, tls::Expected at_server = {}) {
  auto pair = make_pair(client, server, std::move(at_client), std::move(at_server));
  pair.run();
  return {pair.client_error, pair.server_error};
}

}  // namespace

TEST_CASE("a verified peer is found by trust and leaf, and by nothing less") {
  VerifiedPeers peers;
  peers.put(key(1, 1), peer("a"));
  REQUIRE(peers.find(key(1, 1), kNow) != nullptr);
  CHECK(peers.find(key(1, 1), kNow)->peer.identity == "a");
  CHECK(peers.find(key(2, 1), kNow) == nullptr);
  CHECK(peers.find(key(1, 2), kNow) == nullptr);
  peers.put(key(1, 1), peer("b"));
  CHECK(peers.find(key(1, 1), kNow)->peer.identity == "b");
  CHECK(peers.size() == 1);
}

TEST_CASE("a verified peer is forgotten outside of its time") {
  for (const auto now : {kNow - 1s - 1ns, kNow + 10s}) {
    VerifiedPeers peers;
    peers.put(key(1, 1), peer("a"));
    CHECK(peers.find(key(1, 1), now) == nullptr);
    CHECK(peers.size() == 0);
    CHECK(peers.hits() == 0);
  }
}

TEST_CASE("the peer that was not asked for the longest leaves first") {
  VerifiedPeers peers(2);
  peers.put(key(1, 1), peer("a"));
  peers.put(key(1, 2), peer("b"));
  REQUIRE(peers.find(key(1, 1), kNow) != nullptr);
  peers.put(key(1, 3), peer("c"));
  CHECK(peers.size() == 2);
  CHECK(peers.find(key(1, 2), kNow) == nullptr);
  CHECK(peers.find(key(1, 1), kNow) != nullptr);
  CHECK(peers.find(key(1, 3), kNow) != nullptr);
}

TEST_CASE("the second handshake of the same peers verifies nothing, and proves the same") {
  const auto root = mint_root();
  const auto client = context(Role::kClient, mint_workload(root, kWeb), root.certificate);
  const auto server = context(Role::kServer, mint_workload(root, kDb), root.certificate);
  auto first = make_pair(client, server);
  first.run();
  const auto before = hits();
  auto second = make_pair(client, server);
  second.run();
  CHECK(hits() == before + 2);
  REQUIRE(second.server.peer() != nullptr);
  CHECK(second.server.peer()->identity == first.server.peer()->identity);
  CHECK(second.server.peer()->trust_domain == first.server.peer()->trust_domain);
  CHECK(second.server.peer()->sha256 == first.server.peer()->sha256);
  CHECK(second.server.peer()->not_after == first.server.peer()->not_after);
}

TEST_CASE("a peer that is known is still judged by what is expected of it") {
  const auto root = mint_root();
  const auto client = context(Role::kClient, mint_workload(root, kWeb), root.certificate);
  const auto server = context(Role::kServer, mint_workload(root, kDb), root.certificate);
  REQUIRE_FALSE(meet(client, server).client);
  const auto other = meet(client, server, {.identities = {kWeb}});
  REQUIRE(other.client);
  CHECK(other.client->code == ErrorCode::kIdentity);
  const auto foreign = meet(client, server, {.identities = {kDb}}, {.trust_domain = "other"});
  REQUIRE(foreign.server);
  CHECK(foreign.server->code == ErrorCode::kIdentity);
}

TEST_CASE("a peer that one trust verified is unknown to another, and to the other role") {
  const auto root = mint_root(), other_root = mint_root("other");
  const auto web = mint_workload(root, kWeb), db = mint_workload(root, kDb);
  const auto server = context(Role::kServer, db, root.certificate);
  REQUIRE_FALSE(meet(context(Role::kClient, web, root.certificate), server).client);
  const auto refused = meet(context(Role::kClient, web, other_root.certificate), server);
  REQUIRE(refused.client);
  CHECK(refused.client->code == ErrorCode::kTls);
  // Its leaf was verified as a server's; as a client's it must be verified for that purpose.
  const auto only_server =
      mint({.sans = {std::string("URI:") + kDb}, .usage = "serverAuth"}, &root);
  const auto as_server = context(Role::kServer, only_server, root.certificate);
  const auto as_client = context(Role::kClient, only_server, root.certificate);
  REQUIRE_FALSE(meet(context(Role::kClient, web, root.certificate), as_server).client);
  CHECK(meet(as_client, server).server);
}

TEST_CASE("a refused chain is not remembered") {
  const auto root = mint_root(), other_root = mint_root("other");
  const auto client = context(Role::kClient, mint_workload(root, kWeb), root.certificate);
  const auto server = context(Role::kServer, mint_workload(other_root, kDb), root.certificate);
  const auto before = VerifiedPeers::of_this_thread().size();
  for (int i = 0; i < 2; ++i) CHECK(meet(client, server).client);
  CHECK(VerifiedPeers::of_this_thread().size() == before);
}

TEST_CASE("a peer is known until its certificate expires, not longer") {
  const auto root = mint_root();
  const auto leaf = mint({.sans = {std::string("URI:") + kDb}, .not_after_seconds = 3}, &root);
  const auto client = context(Role::kClient, mint_workload(root, kWeb), root.certificate);
  const auto server = context(Role::kServer, leaf, root.certificate);
  REQUIRE_FALSE(meet(client, server).client);
  std::this_thread::sleep_until(server.not_after() + 1100ms);
  const auto late = meet(client, server);
  REQUIRE(late.client);
  CHECK(std::string_view(late.client->text) == "the peer's certificate chain has expired");
}
