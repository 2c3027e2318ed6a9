// The end of this process's service: it accepts no more, its tunnels say so (GOAWAY), what it
// carries may finish within a bound, and then it ends. On the control loop's thread.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "culvert/io/event.hpp"
#include "ztunnel/pods/registry.hpp"
#include "ztunnel/settings.hpp"

namespace culvert::ztunnel {

/// Who asked for the end, and so how long it may take. A later one is the harder wish.
enum class End : std::uint8_t {
  kNone,
  kDrain,       // POST /drain: until somebody asks for more
  kHandedOver,  // a successor serves: until the last connection ended, at most handover_drain_time
  kQuit,        // SIGTERM, POST /quitquitquit: the same, at most drain_time
  kNow,         // a second signal: connections are cut
};

class Retirement {
 public:
  /// All outlive it; `loop` is the control loop.
  Retirement(const Settings& settings, io::Loop& loop, PodRegistry& registry,
             std::vector<std::unique_ptr<Worker>>& workers)
      : settings_(settings), loop_(loop), registry_(registry), workers_(workers) {}

  /// Asks for an end. Wishes are never softened.
  void ask(End end);
  End asked() const { return asked_; }
  /// Whether service goes on as long as nothing else is asked.
  bool serving() const { return asked_ == End::kNone; }

  /// Waits until an end is asked for, brings it about, and returns when the process may end:
  /// nothing is left, or the bound is reached and what was left is being cut.
  io::Task<> run();

 private:
  io::Task<bool> stop_accepting();
  io::Deadline bound() const;

  const Settings& settings_;
  io::Loop& loop_;
  PodRegistry& registry_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  End asked_ = End::kNone;
  io::Clock::time_point asked_at_;  // the hardest wish
  io::Event changed_;
  std::size_t workers_left_ = 0;
};

}  // namespace culvert::ztunnel
