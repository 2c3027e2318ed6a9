// Peers that must be refused, each at the end that judges it, with the text that says why.
#include "pair.hpp"

using namespace culvert;
using namespace culvert::test;
using tls::Role;

namespace {

const Minted& root() {
  static const Minted kRoot = mint_root();
  return kRoot;
}
tls::Context good_client() {
  static const Minted kLeaf = mint_workload(root(), kWeb);
  return context(Role::kClient, kLeaf, root().certificate);
}
tls::Context good_server() {
  static const Minted kLeaf = mint_workload(root(), kDb);
  return context(Role::kServer, kLeaf, root().certificate);
}

struct Refusal {
  std::optional<Error> client, server;
};

Refusal client_with(const Minted& leaf, const std::string& intermediates = {},
                    tls::Expected at_server = {}) {
  auto pair = make_pair(context(Role::kClient, leaf, root().certificate, intermediates),
                        good_server(), {.identities = {kDb}}, std::move(at_server));
  pair.run();
  return {pair.client_error, pair.server_error};
}

Refusal server_with(const Minted& leaf, tls::Expected at_client = {.identities = {kDb}}) {
  auto pair = make_pair(good_client(), context(Role::kServer, leaf, root().certificate),
                        std::move(at_client));
  pair.run();
  return {pair.client_error, pair.server_error};
}

}  // namespace

TEST_CASE("an expired certificate is refused at both ends") {
  const auto leaf = mint(
      {.sans = {std::string("URI:") + kDb}, .not_before_seconds = -100, .not_after_seconds = -10},
      &root());
  const auto by_server = client_with(leaf);
  REQUIRE(by_server.server);
  CHECK(by_server.server->code == ErrorCode::kTls);
  CHECK(std::string_view(by_server.server->text) == "the peer's certificate chain has expired");
  REQUIRE(by_server.client);  // learns it by alert
  CHECK(std::string_view(by_server.client->text) == "the peer's alert: certificate expired");
  const auto by_client = server_with(leaf);
  REQUIRE(by_client.client);
  CHECK(by_client.client->origin == Origin::kUpstream);
  CHECK(std::string_view(by_client.client->text) == "the peer's certificate chain has expired");
  REQUIRE(by_client.server);
  CHECK(std::string_view(by_client.server->text) == "the peer's alert: certificate expired");
}

TEST_CASE("a certificate from the future is refused") {
  const auto leaf = mint({.sans = {std::string("URI:") + kDb}, .not_before_seconds = 600}, &root());
  CHECK(std::string_view(client_with(leaf).server.value().text) ==
        "the peer's certificate chain is not yet valid");
  CHECK(std::string_view(server_with(leaf).client.value().text) ==
        "the peer's certificate chain is not yet valid");
}

TEST_CASE("a certificate of an unknown root is refused, also one of the same name") {
  const auto other = mint_root("root");
  const auto leaf = mint_workload(other, kDb);
  CHECK(client_with(leaf).server.value().code == ErrorCode::kTls);
  CHECK(server_with(leaf).client.value().code == ErrorCode::kTls);
  const auto named = mint_workload(mint_root("elsewhere"), kDb);
  CHECK(std::string_view(client_with(named).server.value().text) ==
        "the peer's certificate does not lead to a trusted root");
  CHECK(std::string_view(server_with(named).client.value().text) ==
        "the peer's certificate does not lead to a trusted root");
}

TEST_CASE("a self-signed workload certificate is refused") {
  const auto leaf = mint({.sans = {std::string("URI:") + kDb}, .subject = "self"}, nullptr);
  CHECK(client_with(leaf).server.value().code == ErrorCode::kTls);
  CHECK(server_with(leaf).client.value().code == ErrorCode::kTls);
}

TEST_CASE("a CA certificate as leaf is refused") {
  const auto ca = mint({.sans = {std::string("URI:") + kDb}, .ca = true, .subject = "ca"}, &root());
  CHECK(std::string_view(client_with(ca).server.value().text) ==
        "the peer's certificate is a CA's, not a workload's");
  CHECK(server_with(ca).client.value().code == ErrorCode::kIdentity);
}

TEST_CASE("a leaf that signs another leaf is refused") {
  const auto middle = mint_workload(root(), kWeb);
  const auto leaf = mint_workload(middle, kDb);
  CHECK(client_with(leaf, middle.certificate).server.value().code == ErrorCode::kTls);
}

TEST_CASE("an intermediate that the peer sends is accepted") {
  const auto middle = mint({.ca = true, .usage = "", .subject = "middle"}, &root());
  const auto refusal = client_with(mint_workload(middle, kWeb), middle.certificate);
  CHECK_FALSE(refusal.server);
  CHECK_FALSE(refusal.client);
}

TEST_CASE("a certificate for the other use only is refused") {
  const std::vector<std::string> sans = {std::string("URI:") + kDb};
  CHECK(
      std::string_view(
          client_with(mint({.sans = sans, .usage = "serverAuth"}, &root())).server.value().text) ==
      "the peer's certificate is not for this use");
  CHECK(server_with(mint({.sans = sans, .usage = "clientAuth"}, &root())).client.value().code ==
        ErrorCode::kTls);
}

TEST_CASE("another trust domain is refused at the server and another identity at the client") {
  const auto foreign = mint_workload(root(), "spiffe://other.example/ns/shop/sa/web");
  const auto refusal = client_with(foreign);
  REQUIRE(refusal.server);
  CHECK(refusal.server->code == ErrorCode::kIdentity);
  CHECK(refusal.server->origin == Origin::kClient);
  CHECK(std::string_view(refusal.server->text) ==
        "the peer's trust domain is not the expected one");
  CHECK_FALSE(client_with(foreign, {}, {.trust_domain = "other.example"}).server);

  const auto cart = mint_workload(root(), "spiffe://cluster.local/ns/shop/sa/cart");
  CHECK(std::string_view(server_with(cart).client.value().text) ==
        "the peer's identity is not an expected one");
  CHECK_FALSE(
      server_with(cart, {.identities = {kDb, "spiffe://cluster.local/ns/shop/sa/cart"}}).client);
}

TEST_CASE("identities are compared whole") {
  const auto db = mint_workload(root(), kDb);
  for (const char* expected :
       {"spiffe://cluster.local/ns/shop/sa/d", "spiffe://cluster.local/ns/shop/sa/db2",
        "spiffe://cluster.local/ns/shop/sa/DB", ""}) {
    CHECK(server_with(db, {.identities = {expected}}).client.value().code == ErrorCode::kIdentity);
  }
}
