// What a loop does between the end of its work and the next: looking, then sleeping.
#include "busy_poll.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/io/socket.hpp"

using namespace culvert;
using namespace culvert::io;
using namespace std::chrono_literals;

namespace {

constexpr Deadline kNow{std::chrono::hours(1)};

struct Pair {
  UniqueFd here, there;
};

Pair connected() {
  std::array<int, 2> fds{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Answers each byte with the next one until the other end is closed.
void answer_all(int fd) {
  std::uint8_t byte = 0;
  while (::recv(fd, &byte, 1, 0) == 1) {
    ++byte;
    if (::send(fd, &byte, 1, MSG_NOSIGNAL) != 1) return;
  }
}

Task<int> right_answers(int fd, int count) {
  int right = 0;
  for (int i = 0; i < count; ++i) {
    std::array<std::uint8_t, 1> byte{static_cast<std::uint8_t>(i)};
    const auto sent = co_await io::send(fd, byte, in(10s));
    std::array<std::uint8_t, 1> answer{};
    const auto got = co_await io::recv_into(fd, answer, in(10s));
    if (sent && got && *got == 1 && answer[0] == static_cast<std::uint8_t>(i + 1)) ++right;
  }
  co_return right;
}

std::chrono::microseconds cpu_of_this_thread() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

template <class F>
void run_polling(F body) {
  auto loop = Loop::create({.busy_poll = kMaxBusyPoll});
  REQUIRE(loop.has_value());
  Loop* raw = loop->get();
  raw->post([raw, body] {
    raw->root().spawn(
        [](Loop* self, F function) -> Task<> {
          co_await function();
          self->stop();
        },
        raw, body);
  });
  raw->run();
}

}  // namespace

TEST_CASE(
    "looking begins when work came quickly several times in a row, and ends when it did not") {
  BusyPoll poll(50us);
  for (int i = 0; i < BusyPoll::kQuickInARow; ++i) {
    CHECK_FALSE(poll.wanted(kNow));
    poll.waited(BusyPoll::kQuick);
  }
  CHECK(poll.wanted(kNow));
  for (int i = 0; i < 1000; ++i) poll.waited(1us);
  CHECK(poll.wanted(kNow));
  poll.waited(BusyPoll::kQuick + 1ns);
  CHECK_FALSE(poll.wanted(kNow));
  poll.waited(1us);
  CHECK_FALSE(poll.wanted(kNow));
}

TEST_CASE("a loop with no time for it never looks") {
  BusyPoll poll(0us);
  for (int i = 0; i < 100; ++i) poll.waited(1us);
  CHECK_FALSE(poll.wanted(kNow));
}

TEST_CASE("a thread that lost its core to another's slice looks no more for a while") {
  BusyPoll poll(50us);
  for (int i = 0; i < BusyPoll::kQuickInARow; ++i) poll.waited(1us);
  poll.looked(BusyPoll::kCoreLost - 1ns, kNow);
  CHECK(poll.wanted(kNow));
  auto now = kNow;
  for (auto off = BusyPoll::kLeastOff; off <= BusyPoll::kMostOff; off *= 2) {
    poll.looked(BusyPoll::kCoreLost, now);
    CHECK_FALSE(poll.wanted(now + off - 1ns));
    now += off;
    CHECK(poll.wanted(now));
  }
  poll.looked(BusyPoll::kCoreLost, now);  // not longer than that
  now += BusyPoll::kMostOff;
  CHECK(poll.wanted(now));
  now += BusyPoll::kMostOff + 1ns;  // it went well so long
  poll.looked(BusyPoll::kCoreLost, now);
  CHECK(poll.wanted(now + BusyPoll::kLeastOff));
}

TEST_CASE("answers that come while a loop looks are all read, once each") {
  auto pair = connected();
  std::jthread peer(answer_all, pair.there.get());
  run_polling([fd = pair.here.get()]() -> Task<> {
    const int right = co_await right_answers(fd, 2000);
    CHECK(right == 2000);
    ::shutdown(fd, SHUT_RDWR);
  });
}

TEST_CASE("a loop that looks hears of work that is posted, and of its timers") {
  auto pair = connected();
  std::jthread peer(answer_all, pair.there.get());
  run_polling([fd = pair.here.get()]() -> Task<> {
    for (int round = 0; round < 50; ++round) {
      const int right = co_await right_answers(fd, BusyPoll::kQuickInARow + 1);
      CHECK(right == BusyPoll::kQuickInARow + 1);
      const auto until = in(100us);  // within the time of looking
      co_await sleep_until(until);
      CHECK(Clock::now() >= until);
      Event posted;
      bool done = false;
      std::jthread other([&, loop = &Loop::current()] {
        loop->post([&] {
          done = true;
          posted.notify();
        });
      });
      while (!done) co_await posted.wait(in(10s));
    }
    ::shutdown(fd, SHUT_RDWR);
  });
}

TEST_CASE("a loop whose work has ended sleeps, however quickly it came") {
  auto pair = connected();
  std::jthread peer(answer_all, pair.there.get());
  run_polling([fd = pair.here.get()]() -> Task<> {
    const int right = co_await right_answers(fd, 200);
    CHECK(right == 200);
    const auto before = cpu_of_this_thread();
    co_await sleep_until(in(300ms));
    CHECK(cpu_of_this_thread() - before < 100ms);
    ::shutdown(fd, SHUT_RDWR);
  });
}
