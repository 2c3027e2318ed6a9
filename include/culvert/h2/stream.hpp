// Stream: one HTTP/2 exchange (RFC 9113 section 5), as a handle. Loop thread of its connection. One
// fiber may read while another writes. The handle may outlive the connection: then everything
// fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "culvert/base/error.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/task.hpp"

namespace culvert::h2 {

/// RFC 9113 section 7. A peer may send other numbers, so codes travel as integers.
enum ResetCode : std::uint32_t {
  kNoError = 0x0,
  kProtocolError = 0x1,
  kInternalError = 0x2,
  kFlowControlError = 0x3,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kConnectError = 0xa,
  kEnhanceYourCalm = 0xb,
};

struct StreamState;

/// Stream::on_cut().
class Cuttable {
 public:
  /// Inside of the connection's work: only marks and wakes.
  virtual void cut() = 0;

 protected:
  ~Cuttable() = default;
};

class Stream {
 public:
  Stream() = default;
  explicit Stream(std::shared_ptr<StreamState> state);
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept {
    if (this == &other) return *this;
    if (state_ != nullptr) release();
    state_ = std::move(other.state_);
    return *this;
  }
  /// Resets what is unfinished: CANCEL when we had not finished sending; else what is queued still
  /// leaves, and a peer that has not finished is then told to stop (NO_ERROR by a server).
  ~Stream() {
    if (state_ != nullptr) release();
  }

  explicit operator bool() const { return state_ != nullptr; }
  std::int32_t id() const;

  /// Server: the request's header block.
  const Headers& request() const;
  /// Client: waits for the final response's header block (1xx are skipped). Valid while the handle
  /// is.
  io::Task<Result<const Headers*>> response(io::Deadline deadline);
  /// Client: waits for the next informational response (1xx), in order; nullopt when there is none
  /// left and the final one has come. Who does not ask misses nothing else.
  io::Task<Result<std::optional<Headers>>> informational(io::Deadline deadline);
  /// response() and informational() without waiting: what they would give now; nullopt while there
  /// is nothing, and of informational ones also when none is left.
  std::optional<Result<const Headers*>> try_response();
  std::optional<Headers> try_informational();
  /// Frees the header block, which is empty from now on: for streams that live long.
  void forget_headers();
  /// Server: answers. Once. kInvalid for a field that HTTP/2 does not allow.
  Result<void> send_headers(const Headers& response, bool end_stream);
  Result<void> send_headers(FieldViews response, bool end_stream);
  /// Server: an informational response (1xx, not 101), before send_headers().
  Result<void> send_informational(const Headers& response);

  /// The next received bytes, valid until the next read() or consumed(); empty is END_STREAM
  /// (trailers are then there). What came before a reset is delivered first. Calling it credits the
  /// flow-control window for the bytes of the last read: call it when they have been passed on.
  /// Errors: kReset (see reset_code()), kRefused (the peer did not process the stream: safe to
  /// retry), kTimeout, kCancelled.
  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline deadline);
  /// read() without waiting: what it would give now; nullopt while there is nothing.
  std::optional<Result<std::span<const std::uint8_t>>> try_read();
  /// Whether try_read() gives something.
  bool readable() const;
  /// `co_await`: until try_read(), try_response() or try_informational() may give something (others
  /// wake it too). kTimeout, kCancelled.
  io::Event::Wait wait_readable(io::Deadline deadline);
  /// Credits the bytes of the last read() now; they are no longer valid.
  void consumed();
  /// The peer's trailers; empty before END_STREAM or when there are none.
  const Headers& trailers() const;

  /// Queues all bytes (a copy); waits while the bounded send buffers are full. After a failure an
  /// unknown part was queued.
  io::Task<Result<void>> write(std::span<const std::uint8_t> bytes, io::Deadline deadline);
  /// write() without waiting: false where it would wait or fail, and nothing is queued then.
  bool try_write(std::span<const std::uint8_t> bytes);
  /// As write(), but without a copy: waits until the connection has sealed all of it, and the bytes
  /// must live as long. One writer at a time.
  io::Task<Result<void>> pass(std::span<const std::uint8_t> bytes, io::Deadline deadline);
  /// END_STREAM after what is queued. Idempotent.
  Result<void> finish();
  /// Trailers, then END_STREAM, after what is queued.
  Result<void> send_trailers(Headers trailers);
  /// Waits until all that was queued, END_STREAM too, was handed to the connection's byte stream.
  io::Task<Result<void>> flushed(io::Deadline deadline);
  /// Of what was queued or passed, what the connection has not sealed yet.
  std::size_t unsent_bytes() const;
  /// flushed() without waiting; nullopt where it would wait.
  std::optional<Result<void>> try_flushed() const;
  /// `co_await`: until try_write() or try_flushed() may do (others wake it too). kTimeout,
  /// kCancelled.
  io::Event::Wait wait_writable(io::Deadline deadline);
  /// RST_STREAM, overtaking what is queued. No effect on a stream that has ended both ways.
  void reset(std::uint32_t code);

  /// The code of the RST_STREAM that ended the stream, whoever sent it; nullopt when none did.
  std::optional<std::uint32_t> reset_code() const;
  /// `whom` is told once, when the peer resets the stream or its connection ends before it did.
  /// nullptr: nobody any more. Whoever waits for something else than this stream learns by it that
  /// nobody wants its answer.
  void on_cut(Cuttable* whom);
  /// END_STREAM was received (unread bytes may remain).
  bool remote_ended() const;
  /// END_STREAM was received, and nothing but the header block before it: no body, no trailers.
  bool ended_without_body() const;
  /// Server, with Options::judges_messages off: the request's fields, or its trailers, are beyond
  /// header_list_bytes or kMaxHeaderFields. What is beyond them is missing.
  bool oversized() const;
  bool oversized_trailers() const;
  /// Server, with Options::head_timeout: the rest of the request's head did not come in time. The
  /// stream can be answered for kGoodbyeTimeout, then the connection ends.
  bool late() const;
  /// Ended both ways, reset, or its connection is over.
  bool closed() const;

 private:
  void release();
  std::shared_ptr<StreamState> state_;
};

}  // namespace culvert::h2
