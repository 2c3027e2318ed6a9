// Refusing what there is no room for, and saying so: a line when it begins, one in a while, and
// one when it is over. Worker's thread.
#pragma once

#include <cstdint>
#include <string>

#include "culvert/base/fd.hpp"
#include "culvert/io/deadline.hpp"

namespace culvert::proxy {

inline constexpr auto kShedLogInterval = std::chrono::seconds(10);

/// Counts refusals of one kind. `what` is the line's first part, static text.
class ShedLog {
 public:
  explicit ShedLog(const char* what) : what_(what) {}
  /// One more was refused, for this pod.
  void refused(const std::string& pod, io::Clock::time_point now);
  /// There is room. It is over once nothing was refused for an interval.
  void recovered(io::Clock::time_point now);
  std::uint64_t total() const { return total_; }
  std::uint64_t lines() const { return lines_; }  // said so far

 private:
  const char* what_;
  std::uint64_t total_ = 0;   // ever
  std::uint64_t unsaid_ = 0;  // since the last line
  std::uint64_t lines_ = 0;
  bool shedding_ = false;
  io::Clock::time_point said_at_{}, refused_at_{};
};

/// A descriptor kept for the moment when there is none left: given up, it lets one more connection
/// be accepted, whose end can then be told to the peer. Without it the kernel would hold peers in
/// the backlog, and each attempt to accept would fail at once, over and over.
class SpareDescriptor {
 public:
  SpareDescriptor() { take(); }
  /// Takes one again; false when there is none.
  bool take();
  bool held() const { return fd_.valid(); }
  void give_up() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

}  // namespace culvert::proxy
