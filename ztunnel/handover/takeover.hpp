// The successor's side of a handover: finds the ztunnel that serves this node, and takes over from
// it once it can serve itself. On the control loop's thread.
#pragma once

#include <memory>
#include <string>

#include "culvert/base/fd.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"
#include "ztunnel/handover/counts.hpp"

namespace culvert::ztunnel {

class Takeover {
 public:
  /// The serving ztunnel agreed to hand over; nullptr when there is none. Waits while it hands over
  /// to another. kTimeout: it does not answer; kRefused: it is another user's.
  static io::Task<Result<std::unique_ptr<Takeover>>> find(std::string state_dir);
  ~Takeover() = default;

  /// Reads what the predecessor says until its end, and adds what it counted to `counts`, which
  /// outlives this. Its fiber may be stopped.
  io::Task<> run(CountsTaker& counts);
  /// The predecessor's end before done(): nothing is to be taken over any more.
  bool lost() const { return lost_; }
  /// It has done as ask_to_stop() asked.
  bool stopped() const { return stopped_; }
  /// Waits at most `at_most`, or until one of the two changes.
  io::Task<> wait(io::Clock::duration at_most);

  /// After our listeners are in the slots: asks it for its counts, and to free its ports. However
  /// long that takes: our listeners serve already, and the ports are not ours before.
  io::Task<> ask_to_stop();
  /// We serve: it drains.
  io::Task<> done();

 private:
  explicit Takeover(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  io::Event changed_;
  bool lost_ = false;
  bool stopped_ = false;
};

}  // namespace culvert::ztunnel
