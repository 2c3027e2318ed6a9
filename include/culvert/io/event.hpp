// Event: fibers of one loop wake each other. Wait in a loop around the condition, as with a
// condition variable: `while (!ready) if (auto r = co_await event.wait(deadline); !r) return r;`
#pragma once

#include <coroutine>

#include "culvert/base/error.hpp"
#include "culvert/io/loop.hpp"

namespace culvert::io {

class Event {
 public:
  class [[nodiscard]] Wait;
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { assert(first_ == nullptr && "nobody may wait for an event that dies"); }

  /// Result<void>: kTimeout or kCancelled, else notified.
  Wait wait(Deadline deadline);
  /// Wakes all that wait now.
  void notify();
  bool has_waiters() const { return first_ != nullptr; }

 private:
  Wait* first_ = nullptr;
};

class Event::Wait final : public Operation, public Timer {
 public:
  Wait(Event& event, Deadline deadline) : event_(event), deadline_(deadline) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    fiber_ = handle.promise().fiber;
    waiter_ = handle;
    return begin();
  }
  Result<void> await_resume();
  void cancel() override { finish(ErrorCode::kCancelled); }
  void expired() override { finish(ErrorCode::kTimeout); }

 private:
  friend class Event;
  enum class State : std::uint8_t { kWaiting, kNotified, kFailed };
  bool begin();
  void finish(ErrorCode code);
  void unlink();
  void wake();

  Event& event_;
  Deadline deadline_;
  Fiber* fiber_ = nullptr;
  std::coroutine_handle<> waiter_;
  Wait* next_ = nullptr;
  State state_ = State::kWaiting;
  ErrorCode code_ = ErrorCode::kCancelled;
};

inline Event::Wait Event::wait(Deadline deadline) {
  return {*this, deadline};
}

/// Sleeps until the deadline: true, or false when the fiber was stopped.
Task<bool> sleep_until(Deadline deadline);

}  // namespace culvert::io
