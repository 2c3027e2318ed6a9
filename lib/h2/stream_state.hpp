// StreamState: what handle and connection share of one stream. Plain data; the rules are in
// session.cpp (the connection's side) and stream.cpp (the handle's). Loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "byte_queue.hpp"
#include "culvert/base/error.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/event.hpp"

namespace culvert::h2 {

class Session;

/// Rare: HTTP and gRPC have them, tunnels do not.
struct RareHeaders {
  Headers trailers;
  Headers trailers_to_send;
  std::vector<Headers> informational;  // client: 1xx that nobody has asked for yet, oldest first
  std::size_t informational_count = 0;
};

struct StreamState {
  StreamState(Session* owner, Budget* budget) : session(owner), received(budget), to_send(budget) {}

  RareHeaders& with_rare() {
    if (rare == nullptr) rare = std::make_unique<RareHeaders>();
    return *rare;
  }
  void tell_cut() {
    if (cut == nullptr) return;
    std::exchange(cut, nullptr)->cut();
  }
  void tell_readable() {
    if (readable.has_waiters()) readable.notify();
  }
  void tell_writable() {
    if (writable.has_waiters()) writable.notify();
  }
  std::size_t sendable_bytes() const { return to_send.size() + borrowed.size(); }

  Session* session;  // null once the connection is over
  std::int32_t id = 0;

  // Side by side, as each open connection of ztunnel's has one of these.
  bool headers_complete = false;
  bool headers_sent = false;  // the server answered; true for a client's stream
  bool remote_ended = false;
  bool any_received = false;  // bytes of a body
  bool end_queued = false;    // finish() or send_trailers() was called
  bool end_sent = false;
  bool handle_gone = false;
  bool closed = false;
  bool reset_by_us = false;
  bool oversized = false;  // Stream::oversized()
  bool late = false;       // Stream::late()
  bool oversized_trailers = false;
  std::optional<std::uint32_t> reset_code;

  Headers headers;                    // of the request (server) or of the final response (client)
  std::unique_ptr<RareHeaders> rare;  // null: none yet
  Cuttable* cut = nullptr;            // Stream::on_cut

  ByteQueue received;
  std::size_t lent_bytes = 0;      // returned by the last read(): first in `received`
  std::size_t withheld_bytes = 0;  // consumed, but not credited as the budget is exceeded

  ByteQueue to_send;
  std::span<const std::uint8_t> borrowed;  // of the writer in pass(), behind what is in to_send

  io::Deadline linger_until = io::kNoDeadline;  // set when the handle is gone
  Error failure{};  // valid when closed other than by END_STREAM both ways

  // Its place among the streams of its session (StreamList).
  std::shared_ptr<StreamState> own;
  StreamState* next = nullptr;
  StreamState* previous = nullptr;

  io::Event readable;  // bytes, headers, the end
  io::Event writable;  // room, all flushed, the end
};

}  // namespace culvert::h2
