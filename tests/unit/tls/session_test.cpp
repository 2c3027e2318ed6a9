#include "culvert/tls/session.hpp"

#include "culvert/tls/record_layer.hpp"
#include "pair.hpp"

using namespace culvert;
using namespace culvert::test;
using tls::Progress;
using tls::Role;

namespace {

struct Mesh {
  Minted root = mint_root();
  Minted web = mint_workload(root, kWeb);
  Minted db = mint_workload(root, kDb);
  tls::Context client = context(Role::kClient, web, root.certificate);
  tls::Context server = context(Role::kServer, db, root.certificate);
};
const Mesh& mesh() {
  static const Mesh kMesh;
  return kMesh;
}

Pair open_pair() {
  auto pair = make_pair(mesh().client, mesh().server);
  pair.run();
  REQUIRE_FALSE(pair.client_error);
  REQUIRE_FALSE(pair.server_error);
  REQUIRE(pair.client.progress() == Progress::kOpen);
  REQUIRE(pair.server.progress() == Progress::kOpen);
  return pair;
}

}  // namespace

TEST_CASE("both ends learn the other's identity, hash and expiry") {
  auto pair = open_pair();
  REQUIRE(pair.client.peer() != nullptr);
  CHECK(pair.client.peer()->identity == kDb);
  CHECK(pair.server.peer()->identity == kWeb);
  CHECK(pair.server.peer()->trust_domain == "cluster.local");
  CHECK(pair.server.peer()->sha256 != pair.client.peer()->sha256);
  CHECK(pair.server.peer()->not_after == mesh().client.not_after());
}

TEST_CASE("the handshake and data survive a split at every byte") {
  for (const std::size_t step : {1, 2, 3, 5, 7, 100}) {
    auto pair = make_pair(mesh().client, mesh().server);
    pair.run(step);
    REQUIRE_FALSE(pair.client_error);
    REQUIRE(pair.client.encrypt(bytes("hello")));
    REQUIRE(pair.server.encrypt(bytes("world")));
    pair.run(step);
    CHECK(pair.server_got == "hello");
    CHECK(pair.client_got == "world");
  }
}

TEST_CASE("the last handshake flight and data may come in one feed, cut anywhere") {
  // The client's Finished and its first records, in two pieces at every offset.
  std::size_t size = 1;
  for (std::size_t cut = 0; cut < size; cut += 7) {
    auto pair = make_pair(mesh().client, mesh().server);
    Pair::move(pair.client, pair.server, pair.server_got, pair.server_error, SIZE_MAX);
    Pair::move(pair.server, pair.client, pair.client_got, pair.client_error, SIZE_MAX);
    REQUIRE(pair.client.encrypt(bytes("early")));
    pair.client.close_notify();
    const std::string flight = pair.client.take_output();
    size = flight.size();
    REQUIRE(pair.server.feed(bytes(std::string_view(flight).substr(0, cut)), pair.server_got));
    const auto fed = pair.server.feed(bytes(std::string_view(flight).substr(cut)), pair.server_got);
    REQUIRE(fed);
    CHECK(*fed == Progress::kPeerClosed);
    CHECK(pair.server_got == "early");
  }
}

TEST_CASE("bulk data leaves in full records and arrives whole") {
  auto pair = open_pair();
  std::string data(1'000'000, 'x');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 >> 3);
  REQUIRE(pair.client.encrypt(bytes(data)));
  const std::size_t records =
      (data.size() + tls::kMaxRecordPlaintext - 1) / tls::kMaxRecordPlaintext;
  CHECK(pair.client.output().size() == data.size() + records * tls::kRecordOverhead);
  pair.run(4096);
  CHECK(pair.server_got == data);
}

TEST_CASE("output may be sent in pieces") {
  auto pair = open_pair();
  REQUIRE(pair.client.encrypt(bytes("hello")));
  while (!pair.client.output().empty()) {
    REQUIRE(pair.server.feed(pair.client.output().first(1), pair.server_got));
    pair.client.consume_output(1);
  }
  CHECK(pair.server_got == "hello");
}

TEST_CASE("close_notify ends one direction and the other goes on") {
  auto pair = open_pair();
  REQUIRE(pair.client.encrypt(bytes("bye")));
  pair.client.close_notify();
  pair.run();
  CHECK(pair.server_got == "bye");
  CHECK(pair.server.progress() == Progress::kPeerClosed);
  CHECK(pair.server.end_of_input());
  CHECK(pair.client.encrypt(bytes("more")).error().code == ErrorCode::kClosed);
  REQUIRE(pair.server.encrypt(bytes("still here")));
  pair.run();
  CHECK(pair.client_got == "still here");
}

TEST_CASE("bytes after close_notify are ignored") {
  auto pair = open_pair();
  pair.client.close_notify();
  pair.run();
  const auto fed = pair.server.feed(bytes("garbage"), pair.server_got);
  REQUIRE(fed);
  CHECK(*fed == Progress::kPeerClosed);
  CHECK(pair.server_got.empty());
}

TEST_CASE("an end without close_notify is a truncation") {
  auto pair = open_pair();
  REQUIRE(pair.client.encrypt(bytes("half")));
  const std::string out = pair.client.take_output();
  REQUIRE(
      pair.server.feed(bytes(std::string_view(out).substr(0, out.size() - 1)), pair.server_got));
  const auto ended = pair.server.end_of_input();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == ErrorCode::kReset);
  CHECK(ended.error().origin == Origin::kClient);
  CHECK(pair.server_got.empty());
  CHECK(pair.server.encrypt(bytes("x")).error().code == ErrorCode::kReset);
}

TEST_CASE("an end during the handshake is a reset") {
  auto session = tls::Session::server(mesh().server);
  REQUIRE(session);
  CHECK(session->end_of_input().error().code == ErrorCode::kReset);
  CHECK(session->peer() == nullptr);
}

TEST_CASE("one changed bit anywhere in a record fails with an alert in the output") {
  auto reference = open_pair();
  REQUIRE(reference.client.encrypt(bytes("hello")));
  const std::size_t size = reference.client.take_output().size();
  for (std::size_t at = 5; at < size; ++at) {  // bits of the header are length and version
    auto pair = open_pair();
    REQUIRE(pair.client.encrypt(bytes("hello")));
    std::string out = pair.client.take_output();
    out[at] = static_cast<char>(out[at] ^ 1);
    const auto fed = pair.server.feed(bytes(out), pair.server_got);
    REQUIRE_FALSE(fed);
    CHECK(fed.error().code == ErrorCode::kTls);
    CHECK(pair.server_got.empty());
    CHECK_FALSE(pair.server.output().empty());
    pair.run();
    REQUIRE(pair.client_error);
    CHECK(std::string_view(pair.client_error->text) == "the peer's alert: bad record MAC");
  }
}

TEST_CASE("plaintext where TLS should be is refused at once") {
  for (const char* text :
       {"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "SSH-2.0-x\r\n"}) {
    auto session = tls::Session::server(mesh().server);
    std::string got;
    const auto fed = session->feed(bytes(text), got);
    REQUIRE_FALSE(fed);
    CHECK(fed.error().code == ErrorCode::kTls);
    CHECK(fed.error().origin == Origin::kClient);
    CHECK(session->feed(bytes("more"), got).error().code == ErrorCode::kTls);
  }
}

TEST_CASE("nothing is encrypted before the handshake is done") {
  auto session = tls::Session::client(mesh().client, {.identities = {kDb}});
  REQUIRE(session);
  CHECK(session->encrypt(bytes("x")).error().code == ErrorCode::kInvalid);
  CHECK_FALSE(session->output().empty());  // the ClientHello
}

TEST_CASE("a client must say whom it expects and roles must match") {
  CHECK(tls::Session::client(mesh().client, {}).error().code == ErrorCode::kInvalid);
  CHECK(tls::Session::client(mesh().server, {.identities = {kDb}}).error().code ==
        ErrorCode::kInvalid);
  CHECK(tls::Session::server(mesh().client).error().code == ErrorCode::kInvalid);
}
