// Writes log lines for threads that must not block: they push, a thread of its own writes. No lock:
// each of the first threads has a place where its lines come together; a push takes what waits
// there away, adds to it and puts it back. Were each line passed on by itself, its memory would be
// freed by the other thread, for which malloc() has no short way.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

namespace culvert::telemetry {

/// Lines waiting beyond this are dropped and counted; the count is written when there is room
/// again.
inline constexpr std::size_t kMaxWaitingLogBytes = 16U << 20;

/// After lines were written the next ones are gathered for so long, so that at a thousand lines a
/// second nobody is woken for each.
inline constexpr std::chrono::milliseconds kGatherLines{10};

/// Threads with a place of their own, the first that push; lines of others are passed on one by
/// one.
inline constexpr unsigned kLogPlaces = 32;

class LineWriter {
 public:
  /// Starts the thread; `fd` stays the caller's and open.
  explicit LineWriter(int fd);
  /// Writes what waits, then ends the thread. No push() may be under way.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Any thread. `line` ends with a newline. Lines of one thread keep their order.
  void push(std::string_view line);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Node {
    std::string line;
    Node* next;
  };
  struct alignas(64) Place {  // a cache line, as threads write to theirs all the time
    std::atomic<std::string*> lines{nullptr};
  };
  void gather(std::atomic<std::string*>& place, std::string_view line);
  bool write_gathered();
  void run();
  void write_out(Node* newest);

  const int fd_;
  std::array<Place, kLogPlaces> places_;
  std::atomic<Node*> newest_{nullptr};
  std::atomic<std::uint32_t> pushes_{0};  // what the writer sleeps on
  std::atomic<std::size_t> waiting_bytes_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace culvert::telemetry
