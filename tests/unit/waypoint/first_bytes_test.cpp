// First bytes are read to learn the protocol, within a bounded time, and nothing of them is lost.
#include "waypoint/entry/first_bytes.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "../io/run_loop.hpp"
#include "culvert/proxy/socket_end.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using io::Task;
using namespace std::chrono_literals;

namespace {

struct Pair {
  Pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    ours = UniqueFd(fds[0]);
    theirs = UniqueFd(fds[1]);
  }
  void say(std::string_view text) const {
    REQUIRE(::write(theirs.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  UniqueFd ours, theirs;
};

std::string text_of(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("a client that says nothing is waited for until the deadline and no longer") {
  io::testing::run_loop([]() -> Task<> {
    const Pair pair;
    proxy::SocketEnd end(pair.ours.get());
    FirstBytes first;
    const auto read = co_await read_first_bytes(&end, &first, io::in(20ms));
    CHECK(read.has_value());
    CHECK(first.speaks == http::Detected::kMore);
    CHECK(first.bytes.empty());
    CHECK_FALSE(first.ended);
  });
}

TEST_CASE("bytes are read until they tell, over several reads; what came stays") {
  io::testing::run_loop([]() -> Task<> {
    const Pair pair;
    proxy::SocketEnd end(pair.ours.get());
    FirstBytes first;
    pair.say("PRI * HTTP/2.0\r\n");
    (void)co_await read_first_bytes(&end, &first, io::in(20ms));
    CHECK(first.speaks == http::Detected::kMore);
    pair.say("\r\nSM\r\n\r\n");
    (void)co_await read_first_bytes(&end, &first, io::in(10s));
    CHECK(first.speaks == http::Detected::kHttp2);
    CHECK(first.bytes == "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  });
}

TEST_CASE("a client that ends without a word is told of") {
  io::testing::run_loop([]() -> Task<> {
    Pair pair;
    proxy::SocketEnd end(pair.ours.get());
    FirstBytes first;
    pair.theirs.reset();
    (void)co_await read_first_bytes(&end, &first, io::in(10s));
    CHECK(first.ended);
  });
}

TEST_CASE("who reads on behind the first bytes gets them first, at once, and then the rest") {
  io::testing::run_loop([]() -> Task<> {
    const Pair pair;
    ReadBytes bytes("first", std::make_unique<io::FdStream>(UniqueFd(::dup(pair.ours.get()))));
    pair.say("rest");
    auto part = co_await bytes.read(io::in(10s));
    CHECK(text_of(*part) == "first");
    part = co_await bytes.read(io::in(10s));
    CHECK(text_of(*part) == "rest");

    proxy::SocketEnd socket(pair.ours.get());
    ReadEnd end(socket, "first");
    pair.say("more");
    auto one = co_await end.read(io::in(10s));
    REQUIRE(one.has_value());
    CHECK(text_of(bytes_of(*one)) == "first");
    CHECK_FALSE(one->empty());
    end.passed_on(*one);
    one = co_await end.read(io::in(10s));
    REQUIRE(one.has_value());
    CHECK(text_of(bytes_of(*one)) == "more");
  });
}
