// Reads and writes of a connected, non-blocking stream socket up to a point in time. One thread.
#pragma once

#include <chrono>
#include <cstddef>

#include "culvert/base/error.hpp"

namespace culvert::admin {

using Clock = std::chrono::steady_clock;

class DeadlineSocket {
 public:
  DeadlineSocket(int fd, Clock::time_point deadline) : fd_(fd), deadline_(deadline) {}

  void set_deadline(Clock::time_point deadline) { deadline_ = deadline; }
  int fd() const { return fd_; }
  /// What there is, at most `size` bytes; 0 at the end of the stream.
  Result<std::size_t> read(char* into, std::size_t size);
  /// All of it.
  Result<void> write(const char* bytes, std::size_t size);
  /// Waits for one of the poll(2) events.
  Result<void> wait(short events) const;

 private:
  int fd_;
  Clock::time_point deadline_;
};

}  // namespace culvert::admin
