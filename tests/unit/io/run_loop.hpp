// Runs one coroutine on a fresh loop and returns when it ended.
#pragma once

#include <doctest/doctest.h>

#include "culvert/io/loop.hpp"

namespace culvert::io::testing {

template <class F, class... Args>
void run_loop(F body, Args... args) {
  auto loop = Loop::create();
  REQUIRE(loop.has_value());
  Loop* raw = loop->get();
  raw->post([raw, body, args...] {
    raw->root().spawn(
        [](Loop* self, F function, Args... a) -> Task<> {
          co_await function(a...);
          self->stop();
        },
        raw, body, args...);
  });
  raw->run();
}

}  // namespace culvert::io::testing
