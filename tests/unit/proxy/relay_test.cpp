#include "culvert/proxy/relay.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../io/run_loop.hpp"
#include "culvert/io/event.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "tcp_pair.hpp"

using namespace culvert;
using namespace culvert::proxy;
using namespace culvert::proxy::testing;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

struct Joined {
  Tcp left = tcp_pair(), right = tcp_pair();
  RelayCounters counters;
  std::optional<Error> failure;
  bool ended = false;
  io::Scope directions;
  io::Scope scope;

  void start() {
    scope.spawn(
        [](Joined* self) -> io::Task<> {
          SocketEnd a(self->left.ours.get());
          SocketEnd b(self->right.ours.get());
          self->failure = co_await relay(&a, &b, &self->counters, &self->directions);
          self->left.ours.reset();
          self->right.ours.reset();
          self->ended = true;
        },
        this);
  }
};

}  // namespace

TEST_CASE("half-close: the client ends first, the answer still arrives") {
  run_loop([]() -> io::Task<> {
    Joined joined;
    joined.start();
    say(joined.left.theirs, "question");
    ::shutdown(joined.left.theirs.get(), SHUT_WR);
    CHECK(co_await hear(joined.right.theirs.get()) == "question|FIN");
    CHECK_FALSE(joined.ended);
    say(joined.right.theirs, "answer");
    ::shutdown(joined.right.theirs.get(), SHUT_WR);
    CHECK(co_await hear(joined.left.theirs.get()) == "answer|FIN");
    co_await joined.scope.join();
    CHECK_FALSE(joined.failure);
    CHECK(joined.counters.forward_bytes == 8);
    CHECK(joined.counters.backward_bytes == 6);
  });
}

TEST_CASE("half-close: the server ends first, the client's later words still arrive") {
  run_loop([]() -> io::Task<> {
    Joined joined;
    joined.start();
    say(joined.right.theirs, "greeting");
    ::shutdown(joined.right.theirs.get(), SHUT_WR);
    CHECK(co_await hear(joined.left.theirs.get()) == "greeting|FIN");
    say(joined.left.theirs, "late");
    ::shutdown(joined.left.theirs.get(), SHUT_WR);
    CHECK(co_await hear(joined.right.theirs.get()) == "late|FIN");
    co_await joined.scope.join();
    CHECK_FALSE(joined.failure);
  });
}

TEST_CASE("more connections than pool buffers whose readers do not read leave others alone") {
  run_loop([]() -> io::Task<> {
    constexpr int kStalled = 40;
    std::vector<std::unique_ptr<Joined>> stalled;
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < kStalled; ++i) {
      auto& one = *stalled.emplace_back(std::make_unique<Joined>());
      const int flags = ::fcntl(one.left.theirs.get(), F_GETFL);
      ::fcntl(one.left.theirs.get(), F_SETFL, flags | O_NONBLOCK);
      one.start();
    }
    // Fills each path until nothing moves any more.
    for (int quiet = 0; quiet < 5; ++quiet) {
      for (auto& one : stalled) {
        while (::write(one->left.theirs.get(), block.data(), block.size()) > 0) quiet = 0;
      }
      (void)co_await io::sleep_until(io::in(10ms));
    }
    Joined other;
    other.start();
    say(other.left.theirs, "question");
    ::shutdown(other.left.theirs.get(), SHUT_WR);
    CHECK(co_await hear(other.right.theirs.get()) == "question|FIN");
    ::shutdown(other.right.theirs.get(), SHUT_WR);
    co_await other.scope.join();
    for (auto& one : stalled) {
      one->scope.request_stop();
      co_await one->scope.join();
    }
  });
}

TEST_CASE("a reset of either side reaches the other as a reset, never as an end") {
  run_loop([]() -> io::Task<> {
    for (const bool left : {true, false}) {
      Joined joined;
      joined.start();
      auto& resetting = left ? joined.left.theirs : joined.right.theirs;
      auto& other = left ? joined.right.theirs : joined.left.theirs;
      reset_on_close(resetting.get());
      resetting.reset();
      CHECK(co_await hear(other.get()) == "|RST");
      co_await joined.scope.join();
      REQUIRE(joined.failure);
      CHECK(joined.failure->code == ErrorCode::kReset);
    }
  });
}

TEST_CASE("a reset that a write heard of first is still no end to the read") {
  run_loop([]() -> io::Task<> {
    Tcp pair = tcp_pair();
    reset_on_close(pair.theirs.get());
    pair.theirs.reset();
    pollfd arrived{.fd = pair.ours.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&arrived, 1, 30000) == 1);
    REQUIRE(::send(pair.ours.get(), "x", 1, MSG_NOSIGNAL) == -1);  // takes the error
    SocketEnd end(pair.ours.get());
    const auto part = co_await end.read(io::in(30s));
    REQUIRE_FALSE(part);
    CHECK(part.error().code == ErrorCode::kReset);
  });
}

TEST_CASE("an end of stream is an end, also after our own") {
  run_loop([]() -> io::Task<> {
    for (const bool ours_first : {true, false}) {
      Tcp pair = tcp_pair();
      SocketEnd end(pair.ours.get());
      if (ours_first) end.finish(false);
      pair.theirs.reset();
      const auto part = co_await end.read(io::in(30s));
      REQUIRE(part);
      CHECK(part->empty());
    }
  });
}

TEST_CASE("an end of stream with a reset after it is an end") {
  run_loop([]() -> io::Task<> {
    Tcp pair = tcp_pair();
    ::shutdown(pair.theirs.get(), SHUT_WR);
    say(pair.ours, "not read");
    pollfd arrived{.fd = pair.theirs.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&arrived, 1, 30000) == 1);
    pair.theirs.reset();
    pollfd broken{.fd = pair.ours.get(), .events = 0, .revents = 0};
    REQUIRE(::poll(&broken, 1, 30000) == 1);
    SocketEnd end(pair.ours.get());
    const auto part = co_await end.read(io::in(30s));
    REQUIRE(part);
    CHECK(part->empty());
  });
}

TEST_CASE("stopping a relay resets both sides") {
  run_loop([]() -> io::Task<> {
    Joined joined;
    joined.start();
    co_await io::sleep_until(io::in(2ms));
    joined.scope.request_stop();
    CHECK(co_await hear(joined.left.theirs.get()) == "|RST");
    CHECK(co_await hear(joined.right.theirs.get()) == "|RST");
    co_await joined.scope.join();
    REQUIRE(joined.failure);
    CHECK(joined.failure->code == ErrorCode::kCancelled);
  });
}

TEST_CASE("a reader that does not read stops the writer: the relay holds one buffer a direction") {
  run_loop([]() -> io::Task<> {
    Joined joined;
    joined.start();
    const std::vector<char> block(64 << 10, 'x');
    std::size_t accepted = 0;
    for (int i = 0; i < 10'000; ++i) {
      const ssize_t n = ::send(joined.left.theirs.get(), block.data(), block.size(), MSG_DONTWAIT);
      if (n > 0) {
        accepted += static_cast<std::size_t>(n);
      } else {
        const auto room = co_await io::poll(joined.left.theirs.get(), POLLOUT, io::in(200ms));
        if (!room) break;
      }
    }
    CHECK(accepted < (64U << 20));  // socket buffers only, not the 640 MB offered
    CHECK(joined.counters.forward_bytes <= accepted);
    joined.scope.request_stop();
    co_await joined.scope.join();
  });
}
