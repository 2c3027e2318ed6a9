#include "culvert/io/event.hpp"

namespace culvert::io {

bool Event::Wait::begin() {
  if (fiber_->stopping) {
    state_ = State::kFailed;
    return false;
  }
  Loop& loop = Loop::current();
  next_ = event_.first_;
  event_.first_ = this;
  fiber_->waiting_for = this;
  loop.timers().add(*this, deadline_);
  return true;
}

void Event::Wait::unlink() {
  for (Wait** link = &event_.first_; *link != nullptr; link = &(*link)->next_) {
    if (*link == this) {
      *link = next_;
      return;
    }
  }
}

void Event::Wait::wake() {
  Loop& loop = Loop::current();
  loop.timers().remove(*this);
  fiber_->waiting_for = nullptr;
  loop.ready(waiter_);
}

void Event::Wait::finish(ErrorCode code) {
  if (state_ != State::kWaiting) return;
  state_ = State::kFailed;
  code_ = code;
  unlink();
  wake();
}

void Event::notify() {
  Wait* wait = first_;
  first_ = nullptr;
  while (wait != nullptr) {
    Wait* next = wait->next_;
    wait->state_ = Wait::State::kNotified;
    wait->wake();
    wait = next;
  }
}

Result<void> Event::Wait::await_resume() {
  if (state_ == State::kNotified) return {};
  return fail(code_, "wait for an event");
}

Task<bool> sleep_until(Deadline deadline) {
  Event never;
  const auto woken = co_await never.wait(deadline);
  co_return woken.error().code == ErrorCode::kTimeout;
}

}  // namespace culvert::io
