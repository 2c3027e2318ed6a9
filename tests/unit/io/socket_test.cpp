#include "culvert/io/socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <numeric>

#include "culvert/io/event.hpp"
#include "run_loop.hpp"

using namespace culvert;
using namespace culvert::io;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

struct Pair {
  UniqueFd a, b;
};
Pair make_pair(int type) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::span<const std::uint8_t> bytes_of(const std::vector<std::uint8_t>& v) {
  return {v.data(), v.size()};
}

struct Listener {
  UniqueFd socket;
  SocketAddress address;
};
Listener listen_on_loopback() {
  Listener out{UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
               {IpAddress::v4(127, 0, 0, 1), 0}};
  sockaddr_storage raw{};
  auto* name = reinterpret_cast<sockaddr*>(&raw);
  REQUIRE(::bind(out.socket.get(), name, out.address.to_sockaddr(raw)) == 0);
  REQUIRE(::listen(out.socket.get(), 16) == 0);
  socklen_t size = sizeof raw;
  ::getsockname(out.socket.get(), name, &size);
  out.address = *SocketAddress::from_sockaddr(name);
  return out;
}

Task<> send_all(int fd, const std::vector<std::uint8_t>* data, bool* ok) {
  *ok = (co_await io::send(fd, bytes_of(*data), in(10s))).has_value();
  ::shutdown(fd, SHUT_WR);
}

}  // namespace

TEST_CASE("a megabyte sent in one call arrives whole, in order, then the end of stream") {
  run_loop([]() -> Task<> {
    auto pair = make_pair(SOCK_STREAM);
    std::vector<std::uint8_t> data(1 << 20);
    std::iota(data.begin(), data.end(), std::uint8_t{0});
    bool sent = false;
    Scope scope;
    scope.spawn(send_all, pair.a.get(), &data, &sent);
    std::vector<std::uint8_t> got;
    while (true) {
      auto part = co_await io::recv(pair.b.get(), in(10s));
      REQUIRE(part.has_value());
      if (part->empty()) break;
      got.insert(got.end(), part->bytes().begin(), part->bytes().end());
    }
    co_await scope.join();
    CHECK(sent);
    CHECK(got == data);
  });
}

TEST_CASE("a receive ends at its deadline and at a stop, with the name of the cause") {
  run_loop([]() -> Task<> {
    auto pair = make_pair(SOCK_STREAM);
    const auto late = co_await io::recv(pair.b.get(), in(5ms));
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == ErrorCode::kTimeout);
    Scope scope;
    ErrorCode code{};
    scope.spawn(
        [](int fd, ErrorCode* out) -> Task<> {
          const auto r = co_await io::recv(fd, kNoDeadline);
          *out = r ? ErrorCode::kNotFound : r.error().code;
        },
        pair.b.get(), &code);
    co_await sleep_until(in(1ms));
    scope.request_stop();
    co_await scope.join();
    CHECK(code == ErrorCode::kCancelled);
  });
}

TEST_CASE("however many parts are held, others receive on") {
  run_loop([]() -> Task<> {
    constexpr int kPairs = 100;  // many times the pool
    std::vector<Pair> pairs;
    std::vector<PooledBuffer> held;
    for (int i = 0; i < kPairs; ++i) {
      pairs.push_back(make_pair(SOCK_STREAM));
      const char byte = static_cast<char>(i);
      REQUIRE(::write(pairs.back().a.get(), &byte, 1) == 1);
      auto part = co_await io::recv(pairs.back().b.get(), in(30s));
      REQUIRE(part.has_value());
      held.push_back(std::move(*part));
    }
    for (std::size_t i = 0; i < held.size(); ++i) {
      REQUIRE(held[i].bytes().size() == 1);
      CHECK(held[i].bytes()[0] == i);
    }
  });
}

// Receives that are started together outnumber the pool, and most find nothing to receive: these
// must not keep those from their buffers that have bytes.
TEST_CASE("receives that found the pool empty go on without another's return") {
  run_loop([]() -> Task<> {
    constexpr int kIdle = 200;
    Scope scope;
    std::vector<Pair> idle;
    int received = 0;
    const auto receive = [](int fd, int* count) -> Task<> {
      const auto part = co_await io::recv(fd, kNoDeadline);
      if (part && !part->empty()) ++*count;
    };
    for (int i = 0; i < kIdle; ++i) {
      idle.push_back(make_pair(SOCK_STREAM));
      // The first ones take all buffers at once, the rest meets an empty pool.
      if (i < 32) REQUIRE(::write(idle.back().a.get(), "x", 1) == 1);
      scope.spawn(receive, idle.back().b.get(), &received);
    }
    co_await sleep_until(in(20ms));
    CHECK(received == 32);
    REQUIRE(::write(idle.back().a.get(), "x", 1) == 1);
    co_await sleep_until(in(20ms));
    CHECK(received == 33);
    scope.request_stop();
    co_await scope.join();
  });
}

TEST_CASE("TCP: accept, connect, refusal") {
  run_loop([]() -> Task<> {
    auto [listener, address] = listen_on_loopback();
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK((co_await io::connect(client.get(), address, in(30s))).has_value());
    auto accepted = co_await io::accept(listener.get(), in(30s));
    REQUIRE(accepted.has_value());
    CHECK(accepted->peer.ip == address.ip);
    listener.reset();
    UniqueFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto refused = co_await io::connect(other.get(), address, in(30s));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::kRefused);
  });
}

TEST_CASE("a connection that TCP gives up is lost, which is no deadline of the receiver's") {
  run_loop([]() -> Task<> {
    auto [listener, address] = listen_on_loopback();
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE((co_await io::connect(client.get(), address, in(30s))).has_value());
    // Bytes that the peer's closed window holds back for longer than this end it (tcp(7)).
    const unsigned patience_ms = 50;
    REQUIRE(::setsockopt(client.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms,
                         sizeof patience_ms) == 0);
    const std::vector<std::uint8_t> much(64 << 10);
    while (::send(client.get(), much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    const auto lost = co_await io::recv(client.get(), in(60s));
    REQUIRE_FALSE(lost.has_value());
    CHECK(lost.error().code == ErrorCode::kReset);
    CHECK(lost.error().sys_errno == ETIMEDOUT);
  });
}

TEST_CASE("a packet carries one descriptor; a second one is closed and reported") {
  run_loop([]() -> Task<> {
    auto pair = make_pair(SOCK_SEQPACKET);
    auto inner = make_pair(SOCK_STREAM);
    const std::vector<std::uint8_t> hello{1, 2, 3};
    CHECK((co_await io::send_packet(pair.a.get(), bytes_of(hello), inner.a.get(), in(30s)))
              .has_value());
    std::vector<std::uint8_t> buffer(16);
    auto packet = co_await io::recv_packet(pair.b.get(), buffer, in(30s));
    REQUIRE(packet.has_value());
    CHECK(packet->size == 3);
    CHECK_FALSE(packet->truncated);
    REQUIRE(packet->passed.valid());
    REQUIRE(::write(packet->passed.get(), "y", 1) == 1);
    char c = 0;
    CHECK(::read(inner.b.get(), &c, 1) == 1);
    CHECK(c == 'y');
    std::vector<std::uint8_t> small(2);
    CHECK((co_await io::send_packet(pair.a.get(), bytes_of(hello), -1, in(30s))).has_value());
    auto cut = co_await io::recv_packet(pair.b.get(), small, in(30s));
    REQUIRE(cut.has_value());
    CHECK(cut->truncated);
    pair.a.reset();
    auto end = co_await io::recv_packet(pair.b.get(), buffer, in(30s));
    REQUIRE(end.has_value());
    CHECK(end->size == 0);
  });
}

TEST_CASE("poll tells when a descriptor becomes readable") {
  run_loop([]() -> Task<> {
    auto pair = make_pair(SOCK_STREAM);
    const auto nothing = co_await io::poll(pair.b.get(), POLLIN, in(5ms));
    CHECK(nothing.error().code == ErrorCode::kTimeout);
    REQUIRE(::write(pair.a.get(), "x", 1) == 1);
    const auto ready = co_await io::poll(pair.b.get(), POLLIN, in(30s));
    REQUIRE(ready.has_value());
    CHECK((*ready & POLLIN) != 0);
  });
}
