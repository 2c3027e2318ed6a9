// The end of service: what was asked, and how it is carried out. On the control loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "culvert/io/event.hpp"
#include "culvert/io/task.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

/// What may be asked, each stronger than those before.
enum class End : std::uint8_t {
  kNone,
  kDrain,  // in order: what is under way may end by itself, for drain_time at most
  kNow,
};

class Retirement {
 public:
  /// All outlive it.
  Retirement(const Settings& settings, io::Loop& loop,
             std::vector<std::unique_ptr<Worker>>& workers)
      : settings_(settings), loop_(loop), workers_(workers) {}

  /// A weaker end than one that was asked changes nothing.
  void ask(End end);
  bool serving() const { return asked_ == End::kNone; }

  /// Waits until an end is asked and carries it out: returns when the last connection has ended, at
  /// the bound (what was left is cut then), or when its fiber is stopped.
  io::Task<> run();

 private:
  const Settings& settings_;
  io::Loop& loop_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  End asked_ = End::kNone;
  io::Event changed_;
  std::size_t workers_left_ = 0;
};

}  // namespace culvert::waypoint
