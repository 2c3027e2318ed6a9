// Tells which files of the folder have changed (inotify(7)): at once of one that is written whole,
// of several, or of one that goes, once things are quiet. Loop thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/task.hpp"

namespace culvert::control {

inline constexpr std::chrono::milliseconds kSettle{2};  // after one file alone: act
// After one of several files, or one that is gone (an editor moves it away before it writes anew),
// or a change that soon follows another.
inline constexpr std::chrono::milliseconds kQuiet{50};
inline constexpr std::chrono::milliseconds kMaxDelay{500};      // of the first event: act anyway
inline constexpr std::chrono::milliseconds kHalfWritten{2000};  // still open: read as it is then
inline constexpr std::chrono::milliseconds kRewatch{1000};  // between tries when the folder is away
inline constexpr std::chrono::milliseconds kReadAgain{1000};  // after a read that failed

/// What may have changed since it was told last.
struct FolderChange {
  bool all = false;             // anything
  std::set<std::string> names;  // these files
};

/// When to act on events, and on what. Pure.
class Debounce {
 public:
  /// A whole file: closed by who wrote it, moved here, or a link.
  void written(const std::string& name, io::Deadline now);
  /// Who may read it may have changed. No news of a file that somebody writes.
  void attributes(const std::string& name, io::Deadline now) {
    if (!half_.contains(name)) written(name, now);
  }
  void gone(const std::string& name, io::Deadline now);
  /// Somebody writes; it is not read before it is written(), but for kHalfWritten.
  void writing(const std::string& name, io::Deadline now) { half_.try_emplace(name, now); }
  /// Links may lead elsewhere.
  void everything(io::Deadline now);
  /// Not all was told: also that a file was closed.
  void lost(io::Deadline now);
  /// What take() gave last could not be acted on: anything may have changed, kReadAgain from now.
  void failed(io::Deadline now);

  /// kNoDeadline when there is nothing to act on.
  io::Deadline due() const;
  /// To be acted on now.
  FolderChange take(io::Deadline now);
  /// Files that are not to be read now: what was read of them before holds.
  std::set<std::string> half_written(io::Deadline now) const;

 private:
  void event(io::Deadline now);
  io::Deadline due_of_events() const;

  FolderChange changed_;
  std::set<std::string> gone_;                // of these
  std::map<std::string, io::Deadline> half_;  // since when
  io::Deadline first_ = io::kNoDeadline;
  io::Deadline last_ = io::kNoDeadline;
  io::Deadline acted_ = io::kNoDeadline;
  io::Deadline again_ = io::kNoDeadline;  // after a failure
  bool follows_ = false;                  // soon after what was acted on before
};

class FolderWatch {
 public:
  /// False: it could not be read, and is told again after kReadAgain.
  using Changed = std::function<bool(const FolderChange&)>;
  FolderWatch(std::string folder, Changed changed)
      : folder_(std::move(folder)), changed_(std::move(changed)) {}
  /// Starts watching; before the first read of the folder, so that nothing is missed between.
  Result<void> start();
  /// Two fibers, until they are stopped: one takes what the kernel tells, the other calls
  /// `changed`. A folder that goes away is watched again when it comes back.
  io::Task<> listen();
  io::Task<> run();
  /// Takes what the kernel has told until now; does not block.
  void take_waiting();
  /// Files that somebody is writing, as far as was taken of what the kernel tells.
  std::set<std::string> half_written() const { return debounce_.half_written(io::Clock::now()); }

 private:
  bool watch();
  void take_events(std::size_t bytes);

  const std::string folder_;
  const Changed changed_;
  UniqueFd fd_;
  bool watching_ = false;
  Debounce debounce_;
  io::Event told_;
  alignas(8) std::array<std::uint8_t, 4096> buffer_{};
};

}  // namespace culvert::control
