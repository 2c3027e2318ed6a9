// Session: nghttp2's session, its streams and the fibers of a connection. Made and owned by
// Connection; loop thread. Files: session.cpp (streams and windows), callbacks.cpp (what nghttp2
// reports), fibers.cpp (reading, writing, keep-alive).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "block_text.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/io/event.hpp"
#include "rate_limit.hpp"
#include "stream_ids.hpp"
#include "stream_list.hpp"
#include "stream_state.hpp"

struct nghttp2_session;

namespace culvert::h2 {

struct Callbacks;

class Session {
 public:
  Session(bool server, std::unique_ptr<io::ByteStream> bytes, Options options,
          Connection::Handler handler);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // fibers.cpp
  io::Task<Result<void>> run();
  io::Task<Result<void>> handshake(io::Deadline deadline);
  void drain();
  void abort(Error why);
  /// There is something to send: wakes the writer, which collects what the whole turn produces.
  void wake_writer() { send_event_.notify(); }

  // session.cpp: the handles' side.
  Result<Stream> open(const Headers& request, bool end_stream);
  Result<Stream> open(FieldViews request, bool end_stream);
  bool can_open() const;
  bool peer_takes_extended_connect() const;
  Result<void> send_headers(StreamState& stream, const Headers& response, bool end_stream);
  Result<void> send_headers(StreamState& stream, FieldViews response, bool end_stream);
  Result<void> send_informational(StreamState& stream, const Headers& response);
  void resume_sending(StreamState& stream);
  /// How many bytes may be queued now; zero: wait for `writable`.
  std::size_t room(const StreamState& stream) const;
  void queue(StreamState& stream, std::span<const std::uint8_t> bytes);
  /// Sends `bytes`, which stay the caller's, after what is queued; `writable` tells of progress,
  /// and stream.borrowed is empty when all were sealed.
  void lend(StreamState& stream, std::span<const std::uint8_t> bytes);
  /// The caller leaves with its bytes: what of them was not sealed is kept, as a frame of them may
  /// have begun.
  void keep_borrowed(StreamState& stream);
  Result<void> queue_end(StreamState& stream, Headers trailers);
  /// The reader has passed `bytes` on.
  void credit(StreamState& stream, std::size_t bytes);
  void reset(StreamState& stream, std::uint32_t code);
  /// Resets it as its peer broke a rule or bound; who uses it hears kProtocol.
  void break_off(StreamState& stream, std::uint32_t code);
  void reset(StreamState& stream, std::uint32_t code, const Error& why);
  void handle_gone(StreamState& stream);

  const Options& options() const { return options_; }
  std::size_t active_streams() const { return active_streams_; }
  bool draining() const { return draining_; }
  bool over() const { return over_; }
  io::Deadline idle_since() const { return idle_since_; }
  io::Deadline last_received() const { return last_received_; }
  void free_idle_buffers();
  std::size_t buffered_bytes() const { return received_bytes_ + send_queue_bytes_; }
  io::ByteStream& bytes() { return *bytes_; }

 private:
  friend struct Callbacks;
  using StreamPtr = std::shared_ptr<StreamState>;

  // session.cpp
  void create(const Options& options);
  template <class Block>
  Result<Stream> open_block(const Block& request, bool end_stream);
  template <class Block>
  Result<void> send_block(StreamState& stream, const Block& response, bool end_stream);
  void submit_settings();
  StreamState& add_stream(std::int32_t id, StreamPtr stream);
  void drop_received(StreamState& stream);
  void close_stream(StreamState& stream, std::uint32_t code);
  void forget(StreamState& stream);
  void end_streams();
  void give_credit(StreamState& stream);
  void release_withheld();
  void reset_lingering(io::Deadline now);
  void head_is_late();
  Origin peer() const { return server_ ? Origin::kClient : Origin::kUpstream; }

  // fibers.cpp
  io::Task<> read_loop();
  io::Task<> write_loop();
  io::Task<> tick_loop();
  void receive(std::span<const std::uint8_t> bytes);
  void deliver_accepted();
  void fill_batch();
  bool finished() const;
  void end(Result<void> result);
  void fatal(ErrorCode code, const char* text, std::uint32_t h2_code);
  io::Deadline next_tick() const;
  void tick();
  void ping_acknowledged(std::string_view opaque);
  void count_control_frame();

  const bool server_;
  const Options options_;
  const std::unique_ptr<io::ByteStream> bytes_;
  const Connection::Handler handler_;
  nghttp2_session* raw_ = nullptr;

  StreamList streams_;                 // open, or closed with a handle alive
  StreamState* latest_ = nullptr;      // that nghttp2 spoke of, and knows; null: none
  std::size_t active_streams_ = 0;     // open
  std::size_t lingering_streams_ = 0;  // open without a handle
  /// Whose header block has begun and not ended; null: none's, or Options::head_timeout is zero.
  StreamState* head_under_way_ = nullptr;
  std::vector<StreamPtr> accepted_;  // new streams, handed over after nghttp2 has returned
  std::size_t received_bytes_ = 0;   // in streams' queues, handles alive or not
  std::size_t send_queue_bytes_ = 0;
  BlockText block_text_;      // of blocks that are queued
  bool withholding_ = false;  // some stream has withheld_bytes
  io::Deadline idle_since_;

  // What the next write carries: frames, and between them the bytes of writers in pass().
  struct Borrowed {
    std::size_t at;  // its place in batch_
    std::span<const std::uint8_t> bytes;
  };
  std::size_t batch_bytes() const { return batch_.size() + borrowed_bytes_; }
  io::ByteStream::Parts batch_parts();
  void clear_batch();
  std::vector<std::uint8_t> batch_;
  std::vector<Borrowed> borrowed_;
  std::size_t borrowed_bytes_ = 0;
  std::vector<std::span<const std::uint8_t>> parts_;
  bool batch_full_ = false;
  io::Event send_event_;
  io::Event tick_event_;
  io::Event over_event_;
  io::Event settings_event_;

  RateLimit resets_{kMaxResetsPerSecond};
  RateLimit control_frames_{kMaxControlFramesPerSecond};
  StreamIds stream_ids_;  // server: the peer's
  // The header block under way: there is one at a time (RFC 9113 section 4.3).
  struct HeaderBlock {
    std::size_t coded_bytes = 0;  // of its frames, as their heads announce
    std::size_t list_bytes = 0;   // RFC 9113 section 6.5.2 counting
    std::size_t fields = 0;
  };
  HeaderBlock block_;
  io::Deadline last_received_;
  io::Deadline next_ping_ = io::kNoDeadline;
  io::Deadline ping_sent_ = io::kNoDeadline;  // kNoDeadline: none is outstanding
  io::Deadline goodbye_by_ = io::kNoDeadline;

  bool started_ = false;
  bool settings_received_ = false;
  bool peer_closed_ = false;
  bool draining_ = false;
  enum class DrainStep : std::uint8_t { kNone, kNoticed, kFinal };
  DrainStep drain_step_ = DrainStep::kNone;
  bool dead_ = false;  // nghttp2 takes no more input
  bool late_ = false;  // a head was; what is said then still leaves in order
  bool over_ = false;
  Result<void> result_;
};

}  // namespace culvert::h2
