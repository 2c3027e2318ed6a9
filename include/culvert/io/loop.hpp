// Loop: one thread's event loop. It owns the backend, the timers and the queue of coroutines to
// run. A turn: run everything that is ready, submit once, wait, queue completions and expired
// timers. Everything but post() and stop() is for the loop's own thread.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/mutex.hpp"
#include "culvert/io/backend.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::io {

/// A timer in the loop's heap; embedded in operations.
class Timer {
 public:
  virtual void expired() = 0;

 protected:
  ~Timer() = default;

 private:
  friend class TimerHeap;
  static constexpr std::uint32_t kIdle = UINT32_MAX;
  std::uint32_t heap_index_ = kIdle;
  Deadline at_{};
};

/// A binary heap of timers that know their place, so that removal is O(log n).
class TimerHeap {
 public:
  void add(Timer& timer, Deadline at);  // kNoDeadline: not added
  void remove(Timer& timer);            // no effect when it is not in the heap
  /// kNoDeadline when empty.
  Deadline earliest() const;
  /// Calls expired() of every timer at or before `now`, each removed first.
  void expire(Deadline now);
  std::size_t size() const { return heap_.size(); }

 private:
  void sift_up(std::uint32_t index);
  void sift_down(std::uint32_t index);
  void place(std::uint32_t index, Timer* timer);
  std::vector<Timer*> heap_;
};

struct LoopOptions {
  unsigned ring_entries = 1024;
  BufferPoolOptions buffers;
  std::chrono::microseconds busy_poll{0};  // make_uring_backend()
};

/// For threads that carry traffic: what it costs to sleep and be woken on another core, about.
inline constexpr std::chrono::microseconds kDataThreadBusyPoll{50};
inline constexpr std::chrono::microseconds kMaxBusyPoll{1000};

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create(LoopOptions options = {});
  /// For tests and simulation: any backend.
  Loop(std::unique_ptr<Backend> backend, UniqueFd wake);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// The loop that runs on this thread; asserts that there is one.
  static Loop& current();

  /// Runs until stop() was called and every fiber of root() has ended. stop() stops them.
  void run();
  /// Any thread, any number of times. Async-signal-unsafe.
  void stop();
  /// Runs `work` on the loop's thread, soon. Any thread. Work posted after run() returned is
  /// dropped.
  void post(std::function<void()> work);

  /// The scope of the outermost fibers.
  Scope& root() { return root_; }
  Backend& backend() { return *backend_; }
  TimerHeap& timers() { return timers_; }
  /// The time at the start of this turn.
  Deadline now() const { return now_; }
  /// Queues a coroutine; it runs later in this turn or the next, never inside this call.
  void ready(std::coroutine_handle<> handle) { ready_.push_back(handle); }

  /// Receives that found the pool empty; each is started again as soon as a buffer is free.
  class BufferWaiter {
   public:
    virtual void buffer_returned() = 0;

   protected:
    ~BufferWaiter() = default;
  };
  void wait_for_buffer(BufferWaiter& waiter);
  void forget_buffer_waiter(BufferWaiter& waiter);

 private:
  void run_ready();
  template <class Done>
  void run_until(Done done);
  void run_posted();
  bool wake_buffer_waiters();
  Task<> watch_wake();

  std::unique_ptr<Backend> backend_;
  UniqueFd wake_;
  TimerHeap timers_;
  Deadline now_ = Clock::now();
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> running_;
  std::vector<BufferWaiter*> buffer_waiters_;  // oldest first
  Scope root_;
  Scope internal_;
  bool stop_requested_ = false;

  Mutex posted_mutex_;
  std::vector<std::function<void()>> posted_ CULVERT_GUARDED_BY(posted_mutex_);
  bool posted_closed_ CULVERT_GUARDED_BY(posted_mutex_) = false;
};

}  // namespace culvert::io
