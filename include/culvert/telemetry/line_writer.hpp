// Writes log lines for threads that must not block: they push, a thread of its own writes. No lock:
// a push is one compare-and-swap, and a futex wake when the writer sleeps.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

namespace culvert::telemetry {

/// Lines waiting beyond this are dropped and counted; the count is written when there is room
/// again.
inline constexpr std::size_t kMaxWaitingLogBytes = 16U << 20;

/// After lines were written the next ones are gathered for so long, so that at a thousand lines a
/// second nobody is woken for each.
inline constexpr std::chrono::milliseconds kGatherLines{10};

class LineWriter {
 public:
  /// Starts the thread; `fd` stays the caller's and open.
  explicit LineWriter(int fd);
  /// Writes what waits, then ends the thread. No push() may be under way.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Any thread. `line` ends with a newline. Lines of one thread keep their order.
  void push(std::string line);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Node {
    std::string line;
    Node* next;
  };
  void run();
  void write_out(Node* newest);

  const int fd_;
  std::atomic<Node*> newest_{nullptr};
  std::atomic<std::uint32_t> pushes_{0};  // what the writer sleeps on
  std::atomic<std::size_t> waiting_bytes_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace culvert::telemetry
