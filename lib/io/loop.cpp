#include "culvert/io/loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "culvert/io/socket.hpp"

namespace culvert::io {
namespace {

thread_local Loop* t_current = nullptr;

}  // namespace

Result<std::unique_ptr<Loop>> Loop::create(LoopOptions options) {
  auto backend = make_uring_backend(options.ring_entries, options.buffers, options.busy_poll);
  if (!backend) return std::unexpected(backend.error());
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return fail_errno(errno, "create the loop's eventfd");
  return std::make_unique<Loop>(std::move(*backend), std::move(wake));
}

Loop::Loop(std::unique_ptr<Backend> backend, UniqueFd wake)
    : backend_(std::move(backend)), wake_(std::move(wake)) {}

Loop::~Loop() {
  assert(backend_->in_flight() == 0 && "every operation ends before its loop");
}

Loop& Loop::current() {
  assert(t_current != nullptr && "no loop runs on this thread");
  return *t_current;
}

void Loop::post(std::function<void()> work) {
  {
    const MutexLock lock(posted_mutex_);
    if (posted_closed_) return;
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wake_.get(), &one, sizeof one);
}

void Loop::stop() {
  post([this] {
    stop_requested_ = true;
    root_.request_stop();
  });
}

void Loop::run_posted() {
  std::vector<std::function<void()>> work;
  {
    const MutexLock lock(posted_mutex_);
    work.swap(posted_);
  }
  for (auto& item : work) item();
}

Task<> Loop::watch_wake() {
  std::uint64_t count = 0;
  std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(&count), sizeof count);
  while (true) {
    const auto n = co_await io::read(wake_.get(), bytes, kNoDeadline);
    if (!n) co_return;
    run_posted();
  }
}

void Loop::run_ready() {
  while (!ready_.empty()) {
    running_.swap(ready_);
    for (const auto handle : running_) handle.resume();
    running_.clear();
  }
}

template <class Done>
void Loop::run_until(Done done) {
  while (true) {
    run_ready();
    if (done()) return;
    const bool more = wake_buffer_waiters();
    backend_->turn(!more, timers_.earliest());
    now_ = Clock::now();
    timers_.expire(now_);
  }
}

void Loop::run() {
  assert(t_current == nullptr && "one loop a thread");
  t_current = this;
  now_ = Clock::now();
  internal_.spawn([](Loop* self) -> Task<> { co_await self->watch_wake(); }, this);
  run_until([this] { return stop_requested_ && root_.empty(); });
  {
    const MutexLock lock(posted_mutex_);
    posted_closed_ = true;
  }
  run_posted();
  internal_.request_stop();
  run_until([this] { return internal_.empty() && root_.empty() && backend_->in_flight() == 0; });
  t_current = nullptr;
}

void Loop::wait_for_buffer(BufferWaiter& waiter) {
  buffer_waiters_.push_back(&waiter);
}

void Loop::forget_buffer_waiter(BufferWaiter& waiter) {
  std::erase(buffer_waiters_, &waiter);
}

// Starts as many waiting receives as there are free buffers; true when some still wait although
// buffers are free. A receive that finds no bytes takes no buffer, so the next must not wait for
// its return.
bool Loop::wake_buffer_waiters() {
  const std::size_t count = std::min(buffer_waiters_.size(), backend_->free_buffers());
  for (std::size_t i = 0; i < count; ++i) buffer_waiters_[i]->buffer_returned();
  buffer_waiters_.erase(buffer_waiters_.begin(),
                        buffer_waiters_.begin() + static_cast<std::ptrdiff_t>(count));
  return count > 0 && !buffer_waiters_.empty();
}

}  // namespace culvert::io
