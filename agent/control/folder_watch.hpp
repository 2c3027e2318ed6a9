// Tells when files of the folder have changed (inotify(7)), once things are quiet. Loop thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/task.hpp"

namespace culvert::control {

inline constexpr std::chrono::milliseconds kQuiet{50};      // without another event: act
inline constexpr std::chrono::milliseconds kMaxDelay{500};  // of the first event: act anyway
inline constexpr std::chrono::milliseconds kRewatch{1000};  // between tries when the folder is away

/// When to act on a burst of events. Pure.
class Debounce {
 public:
  void event(io::Deadline now);
  /// kNoDeadline when there was no event.
  io::Deadline due() const;
  void acted() { first_ = last_ = io::kNoDeadline; }

 private:
  io::Deadline first_ = io::kNoDeadline;
  io::Deadline last_ = io::kNoDeadline;
};

class FolderWatch {
 public:
  FolderWatch(std::string folder, std::function<void()> changed)
      : folder_(std::move(folder)), changed_(std::move(changed)) {}
  /// Starts watching; before the first read of the folder, so that nothing is missed between.
  Result<void> start();
  /// Calls `changed` until its fiber is stopped. A folder that goes away is watched again when it
  /// comes back.
  io::Task<> run();

 private:
  bool watch();
  bool take_events(std::size_t bytes);

  const std::string folder_;
  const std::function<void()> changed_;
  UniqueFd fd_;
  bool watching_ = false;
  alignas(8) std::array<std::uint8_t, 4096> buffer_{};
};

}  // namespace culvert::control
