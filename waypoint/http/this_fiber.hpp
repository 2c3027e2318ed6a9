// ThisFiber: which fiber asks. Loop thread.
#pragma once

#include <coroutine>

#include "culvert/io/fiber.hpp"

namespace culvert::waypoint {

/// `co_await`: the fiber that asks; it lives as long as what it runs.
struct ThisFiber {
  io::Fiber* fiber = nullptr;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) noexcept {
    fiber = handle.promise().fiber;
    return false;
  }
  io::Fiber* await_resume() const noexcept { return fiber; }
};

}  // namespace culvert::waypoint
