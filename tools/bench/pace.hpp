// When requests are due, and what their answers took.
//
// At a fixed rate the k-th request is due at start + k/rate, whatever became of those before it;
// when all connections are busy it waits, and its latency counts from when it was due. So a stall
// shows in as many latencies as it delayed (no coordinated omission).
#pragma once

#include <cstdint>
#include <optional>

#include "bench/clients.hpp"
#include "bench/histogram.hpp"
#include "bench/net.hpp"

namespace culvert::bench {

class Pace {
 public:
  static constexpr std::uint64_t kPatience = 10 * kSecond;  // for the last answers

  explicit Pace(const RequestOptions& options) : options_(options) {}
  void start();

  /// No more requests are sent.
  bool ended(std::uint64_t now) const { return now >= stop_ns_; }
  std::uint64_t give_up_ns() const { return stop_ns_ + kPatience; }
  /// Until when to wait for events: `busy` requests are under way, `can_send` says whether more may
  /// be.
  std::uint64_t next_wake(unsigned busy, bool can_send) const;
  /// Takes the next request that is due: the moment it counts from. nullopt: none is, now.
  std::optional<std::uint64_t> take_due(std::uint64_t now);
  /// Of the request that was taken last, from 0.
  std::uint64_t number() const { return sent_ - 1; }
  void answered(std::uint64_t due_ns, std::uint64_t now);

  /// The result, a line of JSON; the program's exit status.
  int print(const Failures& failures) const;

 private:
  std::uint64_t due_at(std::uint64_t number) const;

  RequestOptions options_;
  Histogram latency_;
  std::uint64_t start_ns_ = 0, count_from_ns_ = 0, stop_ns_ = 0;
  std::uint64_t sent_ = 0, answered_ = 0, counted_ = 0;
};

}  // namespace culvert::bench
