// TLS and HTTP/2 together over a socket pair: what a tunnel is made of, without the mesh around it.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>

#include "../io/run_loop.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/tls/stream.hpp"
#include "mint.hpp"

using namespace culvert;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

constexpr char kClientId[] = "spiffe://cluster.local/ns/shop/sa/web";
constexpr char kServerId[] = "spiffe://cluster.local/ns/shop/sa/db";

struct Certificates {
  test::Minted root = test::mint_root();
  tls::Context client = make(tls::Role::kClient, kClientId);
  tls::Context server = make(tls::Role::kServer, kServerId);

  tls::Context make(tls::Role role, const char* identity) const {
    const auto leaf = test::mint_workload(root, identity);
    auto context = tls::Context::create(role, {.certificate_chain = leaf.certificate,
                                               .private_key = leaf.private_key,
                                               .trusted_roots = root.certificate});
    REQUIRE(context.has_value());
    return std::move(*context);
  }
};

std::pair<UniqueFd, UniqueFd> socket_pair() {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

io::Task<> shake(tls::Stream* stream, Result<void>* result) {
  *result = co_await stream->handshake(io::in(30s));
}

io::Task<> run(h2::Connection* connection) {
  (void)co_await connection->run();
}

// Echoes a stream until its end, then ends it.
io::Task<> echo(h2::Stream stream) {
  (void)stream.send_headers({{":status", "200"}}, false);
  while (true) {
    auto part = co_await stream.read(io::in(10s));
    if (!part || part->empty()) break;
    if (!co_await stream.write(*part, io::in(10s))) co_return;
  }
  (void)stream.finish();
  (void)co_await stream.flushed(io::in(10s));
}

io::Task<> send_all(h2::Stream* stream, const std::vector<std::uint8_t>* data) {
  CHECK((co_await stream->write(*data, io::in(20s))).has_value());
  (void)stream->finish();
}

}  // namespace

TEST_CASE("eight megabytes go through a tunnel and back unchanged, on four streams at once") {
  run_loop([]() -> io::Task<> {
    const Certificates certificates;
    auto [a, b] = socket_pair();
    auto client_tls = std::make_unique<tls::Stream>(
        std::move(a), *tls::Session::client(certificates.client, {.identities = {kServerId}}));
    auto server_tls =
        std::make_unique<tls::Stream>(std::move(b), *tls::Session::server(certificates.server));
    io::Scope scope;
    Result<void> client_ok, server_ok;
    scope.spawn(shake, client_tls.get(), &client_ok);
    scope.spawn(shake, server_tls.get(), &server_ok);
    co_await scope.join();
    REQUIRE(client_ok.has_value());
    REQUIRE(server_ok.has_value());
    CHECK(server_tls->peer()->identity == kClientId);

    io::Scope streams;
    const auto server =
        h2::Connection::server(std::move(server_tls), h2::Options::server(),
                               [&](h2::Stream s) { streams.spawn(echo, std::move(s)); });
    const auto client = h2::Connection::client(std::move(client_tls), h2::Options::client());
    scope.spawn(run, server.get());
    scope.spawn(run, client.get());

    std::vector<std::uint8_t> data(2U << 20);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 31 >> 3);
    constexpr int kStreams = 4;
    std::vector<h2::Stream> opened;
    io::Scope senders;
    for (int i = 0; i < kStreams; ++i) {
      auto stream = client->open({{":method", "CONNECT"}, {":authority", "10.0.0.1:80"}}, false);
      REQUIRE(stream.has_value());
      opened.push_back(std::move(*stream));
    }
    for (auto& stream : opened) senders.spawn(send_all, &stream, &data);
    for (auto& stream : opened) {
      REQUIRE((co_await stream.response(io::in(30s))).has_value());
      std::vector<std::uint8_t> back;
      while (true) {
        auto part = co_await stream.read(io::in(20s));
        REQUIRE(part.has_value());
        if (part->empty()) break;
        back.insert(back.end(), part->begin(), part->end());
      }
      CHECK(back == data);
    }
    co_await senders.join();
    opened.clear();
    client->drain();
    server->drain();
    co_await scope.join();
    co_await streams.join();
  });
}

TEST_CASE("a peer that is not the expected workload is refused before any stream") {
  run_loop([]() -> io::Task<> {
    const Certificates certificates;
    auto [a, b] = socket_pair();
    tls::Stream client(
        std::move(a),
        *tls::Session::client(certificates.client,
                              {.identities = {"spiffe://cluster.local/ns/shop/sa/other"}}));
    tls::Stream server(std::move(b), *tls::Session::server(certificates.server));
    io::Scope scope;
    Result<void> client_ok, server_ok;
    scope.spawn(shake, &client, &client_ok);
    scope.spawn(shake, &server, &server_ok);
    co_await scope.join();
    REQUIRE_FALSE(client_ok.has_value());
    CHECK(client_ok.error().code == ErrorCode::kIdentity);
  });
}
