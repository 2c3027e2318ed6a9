// Streams, their queues and windows: the rules between handles and nghttp2.
#include "session.hpp"

#include <nghttp2/nghttp2.h>

#include <array>
#include <cassert>
#include <cstdlib>

#include "callbacks.hpp"
#include "culvert/io/loop.hpp"
#include "fields.hpp"
#include "memory.hpp"

namespace culvert::h2 {

Session::Session(bool server, std::unique_ptr<io::ByteStream> bytes, Options options,
                 Connection::Handler handler)
    : server_(server),
      options_(options),
      bytes_(std::move(bytes)),
      handler_(std::move(handler)),
      idle_since_(io::Clock::now()),
      last_received_(idle_since_) {
  nghttp2_option* settings = nullptr;
  if (nghttp2_option_new(&settings) != 0) std::abort();  // out of memory
  nghttp2_option_set_no_auto_window_update(settings, 1);
  nghttp2_option_set_no_http_messaging(settings, options_.judges_messages ? 0 : 1);
  nghttp2_option_set_max_outbound_ack(settings, kMaxQueuedAcks);
  // nghttp2's own bound counts answered streams too (33 a second), which a tunnel whose
  // applications reset their connections passes by honest work; ours is in callbacks.cpp.
  nghttp2_option_set_stream_reset_rate_limit(settings, 100 * kMaxResetsPerSecond,
                                             100 * kMaxResetsPerSecond);
  const auto* callbacks = session_callbacks();
  nghttp2_mem memory = session_memory();
  const int rc = server ? nghttp2_session_server_new3(&raw_, callbacks, this, settings, &memory)
                        : nghttp2_session_client_new3(&raw_, callbacks, this, settings, &memory);
  nghttp2_option_del(settings);
  if (rc != 0) std::abort();  // out of memory
  submit_settings();
}

void Session::submit_settings() {
  std::array<nghttp2_settings_entry, 5> entries{{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, options_.max_frame_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options_.header_list_bytes},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
  }};
  if (server_) entries[3] = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_streams};
  const std::size_t count = server_ && options_.extended_connect ? 5 : 4;
  [[maybe_unused]] int rc = nghttp2_submit_settings(raw_, NGHTTP2_FLAG_NONE, entries.data(), count);
  assert(rc == 0 && "settings that HTTP/2 forbids");
  rc = nghttp2_session_set_local_window_size(
      raw_, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(options_.connection_window_bytes));
  assert(rc == 0 && "a window that HTTP/2 forbids");
}

Session::~Session() {
  assert((!started_ || over_) && "run() ends before the connection dies");
  over_ = true;
  end_streams();
  nghttp2_session_del(raw_);
}

StreamState& Session::add_stream(std::int32_t id, StreamPtr stream) {
  stream->id = id;
  ++active_streams_;
  return streams_.add(std::move(stream));
}

// It may be gone then.
void Session::forget(StreamState& stream) {
  if (latest_ == &stream) latest_ = nullptr;
  streams_.remove(stream);
}

bool Session::can_open() const {
  if (over_ || dead_ || draining_) return false;
  const std::size_t peers_limit =
      nghttp2_session_get_remote_settings(raw_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return active_streams_ < std::min<std::size_t>(options_.max_streams, peers_limit);
}

bool Session::peer_takes_extended_connect() const {
  return nghttp2_session_get_remote_settings(raw_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

Result<Stream> Session::open(const Headers& request, bool end_stream) {
  return open_block(request, end_stream);
}
Result<Stream> Session::open(FieldViews request, bool end_stream) {
  return open_block(request, end_stream);
}

template <class Block>
Result<Stream> Session::open_block(const Block& request, bool end_stream) {
  assert(!server_ && "clients open streams");
  if (over_ || dead_ || draining_) return fail(ErrorCode::kClosed, "HTTP/2: the connection drains");
  if (!can_open()) return fail(ErrorCode::kLimit, "HTTP/2: as many streams as allowed are open");
  const auto fields = to_fields(request, &block_text_);
  if (!fields) return std::unexpected(fields.error());
  auto stream = std::make_shared<StreamState>(this, options_.budget);
  stream->headers_sent = true;
  stream->end_queued = end_stream;
  const auto provider = data_provider(*stream);
  const auto id = nghttp2_submit_request(raw_, nullptr, fields->data(), fields->size(),
                                         end_stream ? nullptr : &provider, stream.get());
  if (id < 0) {
    draining_ = true;  // the stream numbers of this connection are used up
    return fail(ErrorCode::kClosed, "HTTP/2: no stream number is left");
  }
  add_stream(id, stream);
  wake_writer();
  return Stream(std::move(stream));
}

Result<void> Session::send_headers(StreamState& stream, const Headers& response, bool end_stream) {
  return send_block(stream, response, end_stream);
}
Result<void> Session::send_headers(StreamState& stream, FieldViews response, bool end_stream) {
  return send_block(stream, response, end_stream);
}

template <class Block>
Result<void> Session::send_block(StreamState& stream, const Block& response, bool end_stream) {
  if (!server_ || stream.headers_sent)
    return fail(ErrorCode::kInvalid, "HTTP/2: headers were sent");
  if (stream.closed || stream.reset_code) return std::unexpected(stream.failure);
  const auto fields = to_fields(response, &block_text_);
  if (!fields) return std::unexpected(fields.error());
  const auto provider = data_provider(stream);
  const int rc = nghttp2_submit_response(raw_, stream.id, fields->data(), fields->size(),
                                         end_stream ? nullptr : &provider);
  if (rc != 0) return fail(ErrorCode::kInvalid, "HTTP/2: submit the response");
  stream.headers_sent = true;
  stream.end_queued = end_stream;
  wake_writer();
  return {};
}

Result<void> Session::send_informational(StreamState& stream, const Headers& response) {
  if (!server_ || stream.headers_sent)
    return fail(ErrorCode::kInvalid, "HTTP/2: headers were sent");
  if (stream.closed || stream.reset_code) return std::unexpected(stream.failure);
  const auto fields = to_fields(response, nullptr);
  if (!fields) return std::unexpected(fields.error());
  const std::string* status = find(response, ":status");
  if (status == nullptr || !status->starts_with('1') || *status == "101" ||
      nghttp2_submit_headers(raw_, NGHTTP2_FLAG_NONE, stream.id, nullptr, fields->data(),
                             fields->size(), nullptr) != 0) {
    return fail(ErrorCode::kInvalid, "HTTP/2: submit an informational response");
  }
  wake_writer();
  return {};
}

std::size_t Session::room(const StreamState& stream) const {
  // Every stream may always hold a little, so that one never waits for another one's peer.
  const bool tight = send_queue_bytes_ >= options_.connection_send_buffer_bytes ||
                     (options_.budget != nullptr && options_.budget->exceeded());
  const std::size_t limit = tight ? kMinSendBufferBytes : options_.stream_send_buffer_bytes;
  return limit > stream.to_send.size() ? limit - stream.to_send.size() : 0;
}

void Session::queue(StreamState& stream, std::span<const std::uint8_t> bytes) {
  const bool idle = stream.sendable_bytes() == 0;
  stream.to_send.append(bytes);
  send_queue_bytes_ += bytes.size();
  if (idle) resume_sending(stream);
}

void Session::lend(StreamState& stream, std::span<const std::uint8_t> bytes) {
  const bool idle = stream.sendable_bytes() == 0;
  stream.borrowed = bytes;
  send_queue_bytes_ += bytes.size();
  if (idle) resume_sending(stream);
}

void Session::keep_borrowed(StreamState& stream) {
  stream.to_send.append(std::exchange(stream.borrowed, {}));
}

Result<void> Session::queue_end(StreamState& stream, Headers trailers) {
  if (!trailers.empty()) {
    const auto fields = to_fields(trailers, nullptr);
    if (!fields) return std::unexpected(fields.error());
    stream.with_rare().trailers_to_send = std::move(trailers);
  }
  stream.end_queued = true;
  resume_sending(stream);
  return {};
}

void Session::resume_sending(StreamState& stream) {
  nghttp2_session_resume_data(raw_, stream.id);  // fails where nothing was deferred: nothing to do
  wake_writer();
}

void Session::credit(StreamState& stream, std::size_t bytes) {
  received_bytes_ -= bytes;
  stream.withheld_bytes += bytes;
  const bool exceeded = options_.budget != nullptr && options_.budget->exceeded();
  if (exceeded && stream.received.size() > kFairReceiveBytes) {
    withholding_ = true;
    tick_event_.notify();
    return;
  }
  give_credit(stream);
}

void Session::give_credit(StreamState& stream) {
  const std::size_t bytes = std::exchange(stream.withheld_bytes, 0);
  if (stream.closed || stream.remote_ended) return;
  nghttp2_session_consume_stream(raw_, stream.id, bytes);
  if (nghttp2_session_want_write(raw_) != 0) wake_writer();
}

void Session::release_withheld() {
  if (options_.budget->exceeded()) return;
  withholding_ = false;
  streams_.for_each([this](StreamState& stream) {
    if (stream.withheld_bytes > 0) give_credit(stream);
  });
}

void Session::reset(StreamState& stream, std::uint32_t code) {
  reset(stream, code, {ErrorCode::kCancelled, Origin::kLocal, 0, "HTTP/2: we reset the stream"});
}

void Session::break_off(StreamState& stream, std::uint32_t code) {
  reset(stream, code,
        {ErrorCode::kProtocol, peer(), 0, "HTTP/2: a stream broke its rules or bounds"});
}

void Session::reset(StreamState& stream, std::uint32_t code, const Error& why) {
  if (stream.closed || stream.reset_code) return;
  stream.reset_code = code;
  stream.reset_by_us = true;
  stream.failure = why;
  nghttp2_submit_rst_stream(raw_, NGHTTP2_FLAG_NONE, stream.id, code);
  stream.readable.notify();
  stream.writable.notify();
  wake_writer();
}

void Session::drop_received(StreamState& stream) {
  const std::size_t unread = stream.received.size();
  stream.received.clear();
  stream.lent_bytes = 0;
  credit(stream, unread);
}

void Session::handle_gone(StreamState& stream) {
  stream.handle_gone = true;
  drop_received(stream);
  if (stream.closed) {
    forget(stream);
    return;
  }
  ++lingering_streams_;
  stream.linger_until = io::Loop::current().now() + kLingerTimeout;
  const bool wanted_more = !stream.remote_ended && (!server_ || stream.end_sent);
  if (!stream.end_queued || wanted_more) {
    reset(stream, stream.end_queued && server_ ? kNoError : kCancel);
  }
  tick_event_.notify();
}

void Session::reset_lingering(io::Deadline now) {
  streams_.for_each([&](StreamState& stream) {
    if (stream.closed || !stream.handle_gone || stream.linger_until > now) return;
    // To peers of tunnels CANCEL is an end in order: a cut in what was still to be sent must not
    // look like one.
    reset(stream, stream.end_queued && !stream.end_sent ? kInternalError : kCancel);
  });
}

// What is said to the peer has as long as any goodbye.
void Session::head_is_late() {
  StreamState& stream = *std::exchange(head_under_way_, nullptr);
  stream.late = stream.headers_complete = true;
  stream.handle_gone = false;
  --lingering_streams_;
  dead_ = late_ = true;
  if (result_) result_ = fail(ErrorCode::kTimeout, "HTTP/2: a head did not come in time", peer());
  nghttp2_submit_goaway(raw_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(raw_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  goodbye_by_ = io::Loop::current().now() + kGoodbyeTimeout;
  accepted_.push_back(stream.own);
  deliver_accepted();
  wake_writer();
}

void Session::close_stream(StreamState& stream, std::uint32_t code) {
  if (stream.closed) return;
  if (latest_ == &stream) latest_ = nullptr;  // nghttp2 knows it no more
  if (head_under_way_ == &stream) head_under_way_ = nullptr;
  stream.closed = true;
  --active_streams_;
  if (active_streams_ == 0) idle_since_ = io::Loop::current().now();
  const bool in_order = code == kNoError && stream.remote_ended && stream.end_sent;
  if (!in_order && !stream.reset_code) {
    stream.reset_code = code;
    const auto why = code == kRefusedStream ? ErrorCode::kRefused : ErrorCode::kReset;
    stream.failure = {why, peer(), 0, "HTTP/2: the peer reset the stream"};
    stream.tell_cut();
  }
  send_queue_bytes_ -= stream.sendable_bytes();
  stream.to_send.clear();
  stream.borrowed = {};
  stream.tell_readable();
  stream.tell_writable();
  if (stream.handle_gone) {
    --lingering_streams_;
    forget(stream);  // `stream` is gone
  }
  if (active_streams_ == 0 && draining_) wake_writer();  // which notices the end
}

void Session::end_streams() {
  Error why = result_ ? Error{ErrorCode::kClosed, Origin::kLocal, 0, "HTTP/2: the connection ended"}
                      : result_.error();
  // To a stream's users kTimeout is a deadline of their own, behind which they may go on.
  // And kLimit is one of ours; this one was the connection's, which its peer did not keep.
  if (why.code == ErrorCode::kTimeout || why.code == ErrorCode::kLimit) {
    why.code = ErrorCode::kReset;
  }
  streams_.for_each([&](StreamState& stream) {
    if (!stream.closed) {
      stream.closed = true;
      if (!stream.reset_code) stream.failure = why;
      stream.tell_cut();
      stream.to_send.clear();
      stream.borrowed = {};
    }
    stream.session = nullptr;
    stream.tell_readable();
    stream.tell_writable();
  });
  latest_ = head_under_way_ = nullptr;
  streams_.clear();
  accepted_.clear();
  active_streams_ = lingering_streams_ = 0;
  send_queue_bytes_ = received_bytes_ = 0;
}

}  // namespace culvert::h2
