#include <doctest/doctest.h>

#include <thread>

#include "culvert/io/event.hpp"
#include "run_loop.hpp"

using namespace culvert;
using namespace culvert::io;
using culvert::io::testing::run_loop;

namespace {

Task<int> add(int a, int b) {
  co_return a + b;
}

Task<> deep(int levels) {
  if (levels > 0) co_await deep(levels - 1);
}

Task<> wait_for(Event* event, ErrorCode* result, Deadline deadline) {
  const auto r = co_await event->wait(deadline);
  *result = r ? ErrorCode::kNotFound : r.error().code;
}

}  // namespace

TEST_CASE("a task gives its value to its awaiter and long chains do not overflow the stack") {
  run_loop([]() -> Task<> {
    CHECK(co_await add(2, 3) == 5);
    int sum = 0;
    for (int i = 0; i < 100'000; ++i) sum = co_await add(sum, 1);
    CHECK(sum == 100'000);
    co_await deep(1000);
  });
}

TEST_CASE("an event wakes all its waiters; a deadline and a stop end the wait by name") {
  run_loop([]() -> Task<> {
    Event event;
    Scope scope;
    ErrorCode woken{}, late{}, stopped{};
    scope.spawn(wait_for, &event, &late, in(std::chrono::milliseconds(5)));
    co_await sleep_until(in(std::chrono::milliseconds(20)));
    CHECK(late == ErrorCode::kTimeout);
    scope.spawn(wait_for, &event, &woken, kNoDeadline);
    co_await sleep_until(in(std::chrono::milliseconds(1)));
    event.notify();
    co_await sleep_until(in(std::chrono::milliseconds(1)));
    CHECK(woken == ErrorCode::kNotFound);
    scope.spawn(wait_for, &event, &stopped, kNoDeadline);
    co_await sleep_until(in(std::chrono::milliseconds(1)));
    scope.request_stop();
    co_await scope.join();
    CHECK(stopped == ErrorCode::kCancelled);
    CHECK(scope.empty());
  });
}

TEST_CASE(
    "stopping a fiber that joins a scope stops the scope's children and still waits for them") {
  run_loop([]() -> Task<> {
    Event event;
    ErrorCode child{};
    Scope outer;
    outer.spawn(
        [](Event* e, ErrorCode* c) -> Task<> {
          Scope inner;
          inner.spawn(wait_for, e, c, kNoDeadline);
          co_await inner.join();
        },
        &event, &child);
    co_await sleep_until(in(std::chrono::milliseconds(1)));
    outer.request_stop();
    co_await outer.join();
    CHECK(child == ErrorCode::kCancelled);
  });
}

TEST_CASE("work posted from another thread runs on the loop's thread") {
  run_loop([]() -> Task<> {
    Event event;
    Loop& loop = Loop::current();
    std::thread::id ran_on;
    std::thread other([&] {
      loop.post([&] {
        ran_on = std::this_thread::get_id();
        event.notify();
      });
    });
    CHECK((co_await event.wait(in(std::chrono::seconds(5)))).has_value());
    CHECK(ran_on == std::this_thread::get_id());
    other.join();
  });
}

TEST_CASE("a stopped scope starts nothing") {
  run_loop([]() -> Task<> {
    Scope scope;
    scope.request_stop();
    ErrorCode code = ErrorCode::kDenied;
    Event event;
    scope.spawn(wait_for, &event, &code, kNoDeadline);
    co_await scope.join();
    CHECK(code == ErrorCode::kDenied);
  });
}
