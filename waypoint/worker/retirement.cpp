#include "waypoint/worker/retirement.hpp"

#include "culvert/base/log.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

constexpr auto kCutWait = std::chrono::seconds(1);  // for cut connections to be counted

}  // namespace

void Retirement::ask(End end) {
  if (end <= asked_) return;
  asked_ = end;
  changed_.notify();
}

Task<> Retirement::run() {
  while (serving()) {
    if (!co_await changed_.wait(io::kNoDeadline)) co_return;
  }
  const auto bound = io::in(settings_.drain_time);
  if (asked_ == End::kDrain) log::info("draining");
  workers_left_ = workers_.size();
  for (auto& worker : workers_) {
    worker->post([this](Worker& w) {
      w.drain([this] {
        loop_.post([this] {
          --workers_left_;
          changed_.notify();
        });
      });
    });
  }
  while (asked_ != End::kNow && workers_left_ > 0) {
    const auto woken = co_await changed_.wait(bound);
    if (woken) continue;
    if (woken.error().code == ErrorCode::kCancelled) co_return;
    break;
  }
  if (workers_left_ == 0) {
    log::info("drained: the last connection has ended");
    co_return;
  }
  for (auto& worker : workers_) worker->post([](Worker& w) { w.cut_all(proxy::Cut::kDrain); });
  const auto until = io::in(kCutWait);
  while (workers_left_ > 0 && asked_ != End::kNow) {
    if (!co_await changed_.wait(until)) co_return;
  }
}

}  // namespace culvert::waypoint
