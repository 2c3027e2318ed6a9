// An application's end of one connection: it sends what its plan says, checks every byte that it
// gets, and remembers how the connection ended.
#pragma once

#include <cstdint>
#include <string>

#include "network.hpp"

namespace culvert::sim {

/// What an application does with a connection.
struct Plan {
  enum class End : std::uint8_t {
    kFinish,     // FIN after the last byte, then reads to the end
    kAfterPeer,  // closes when the peer has finished
    kClose,      // closes after its last byte, whatever comes
    kReset,      // RST after its last byte
  };
  std::uint64_t bytes = 0;
  End end = End::kFinish;
  Time pause{};  // after each of the first reads: a slow reader
};

class Endpoint {
 public:
  /// `id` and `client` choose the bytes that it sends and expects.
  Endpoint(Network& network, std::uint32_t id, bool client, Plan plan)
      : network_(network), id_(id), client_(client), plan_(plan) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  /// The connection is there.
  void take(SocketPtr socket);
  /// It was refused.
  void refused() { over_ = true; }

  const Plan& plan() const { return plan_; }
  bool started() const { return started_; }
  bool over() const { return over_; }
  bool saw_end() const { return saw_end_; }
  bool saw_reset() const { return saw_reset_; }
  /// It ended its direction in order, after sent() bytes.
  bool finished() const { return finished_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t received() const { return received_; }
  std::string describe() const;

 private:
  void pump();
  void read_some();
  void write_some();
  void check(std::span<const std::uint8_t> bytes);
  void close();
  void after_last_byte();

  Network& network_;
  const std::uint32_t id_;
  const bool client_;
  const Plan plan_;
  SocketPtr socket_;
  bool started_ = false, over_ = false, pausing_ = false;
  bool saw_end_ = false, saw_reset_ = false, finished_ = false;
  unsigned pauses_left_ = 100;
  std::uint64_t sent_ = 0, received_ = 0;
};

}  // namespace culvert::sim
