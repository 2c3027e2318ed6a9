// One agent takes over from another that runs, over a Unix socket in the state folder
// (SOCK_SEQPACKET, mode 0600, the same user at both ends). Blocking calls of the main thread;
// docs/operations.md tells the whole of it.
//
//   successor to predecessor      predecessor to successor
//   takeover 1
//                                 yours ADMIN ZDS    (two paths, with their listening sockets; it
//                                                     has let go of the pins by then)
//   done                                             (the successor serves: the other ends)
//
// Whichever ends before "done", the other one goes on.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "places.hpp"

namespace culvert::agent {

/// For the predecessor to answer what had been asked of it. Beyond, a successor gives up.
inline constexpr std::chrono::seconds kHandOverWait{60};
inline constexpr std::size_t kMaxWordsBytes = 512;  // two paths of a Unix socket, and a word

/// Where the agent that serves waits for its successor.
class SuccessorDoor {
 public:
  /// kInvalid when another agent has it.
  static Result<SuccessorDoor> open(const std::string& state_dir);
  SuccessorDoor(SuccessorDoor&&) = default;
  /// Readable when somebody has come.
  int fd() const { return listener_.get(); }
  /// Who has come, if he is the same user and asks to take over.
  std::optional<UniqueFd> let_in();

 private:
  explicit SuccessorDoor(UniqueFd listener) : listener_(std::move(listener)) {}
  UniqueFd listener_;
};

/// Gives the successor the sockets; they stay open here too.
Result<void> hand_over(int successor, const Places& places);
enum class Succession { kDone, kLost, kInterrupted };
/// Waits until the successor serves, ends, or `signals` is readable.
Succession wait_done(int successor, int signals);

/// The agent that serves, if there is one, as its successor sees it.
class Predecessor {
 public:
  /// nullopt: nobody serves with this state folder. kRefused: another user does.
  static Result<std::optional<Predecessor>> find(const std::string& state_dir);
  /// Waits for its sockets. kClosed: it has ended instead; kCancelled: `signals` is readable;
  /// kTimeout after kHandOverWait.
  Result<Places> take_over(int signals);
  /// We serve.
  void done();

 private:
  explicit Predecessor(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace culvert::agent
