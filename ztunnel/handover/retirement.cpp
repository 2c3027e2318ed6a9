#include "ztunnel/handover/retirement.hpp"

#include "culvert/base/log.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

constexpr auto kCutWait = std::chrono::seconds(1);

const char* reason(End end) {
  switch (end) {
    case End::kDrain:
      return "asked to drain";
    case End::kHandedOver:
      return "a successor has taken over";
    default:
      return "asked to end";
  }
}

}  // namespace

void Retirement::ask(End end) {
  if (end <= asked_) return;
  asked_ = end;
  asked_at_ = io::Clock::now();
  changed_.notify();
}

io::Deadline Retirement::bound() const {
  switch (asked_) {
    case End::kHandedOver:
      return asked_at_ + settings_.handover_drain_time;
    case End::kQuit:
      return asked_at_ + settings_.drain_time;
    case End::kNow:
      return asked_at_;
    default:
      return io::kNoDeadline;
  }
}

// Connections that the kernel has begun to accept for our listeners are served still: a listener
// that closes resets them. False: cut short.
Task<bool> Retirement::stop_accepting() {
  const bool handed_over = asked_ == End::kHandedOver;
  handed_over ? registry_.leave_slots() : registry_.withdraw();
  for (auto& worker : workers_) worker->post([](Worker& w) { w.say_goaway(); });
  const auto until = io::in(handed_over ? kLateAcceptsHandover : kLateAccepts);
  while (asked_ != End::kNow) {
    const auto woken = co_await changed_.wait(until);
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return false;
    break;
  }
  registry_.close_listeners();
  workers_left_ = workers_.size();
  for (auto& worker : workers_) {
    worker->post([this](Worker& w) {
      w.stop_accepting([this] {
        loop_.post([this] {
          --workers_left_;
          changed_.notify();
        });
      });
    });
  }
  co_return true;
}

Task<> Retirement::run() {
  while (asked_ == End::kNone) {
    if (!co_await changed_.wait(io::kNoDeadline)) co_return;
  }
  if (asked_ != End::kNow) log::info("draining: {}", reason(asked_));
  if (!co_await stop_accepting()) co_return;
  while (asked_ != End::kNow) {
    const bool may_end = asked_ != End::kDrain;
    if (may_end && workers_left_ == 0) {
      log::info("drained: the last connection has ended");
      co_return;
    }
    const auto woken = co_await changed_.wait(bound());
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return;
    break;
  }
  for (auto& worker : workers_) worker->post([](Worker& w) { w.cut_all(proxy::Cut::kDrain); });
  const auto until = io::in(kCutWait);  // they are counted as closed when they are
  while (workers_left_ > 0 && io::Clock::now() < until) {
    if (!co_await changed_.wait(until)) co_return;
  }
}

}  // namespace culvert::ztunnel
