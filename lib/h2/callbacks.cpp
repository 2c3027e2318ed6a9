// What nghttp2 reports while it eats input or packs output. Nothing here suspends or calls users:
// it changes streams' states, wakes their fibers, and leaves new streams to the reader
// (fibers.cpp).
#include "callbacks.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "culvert/io/loop.hpp"
#include "fields.hpp"
#include "session.hpp"

namespace culvert::h2 {
namespace {

/// Fields of a block, for which there is room from the beginning.
constexpr std::size_t kUsualFields = 14;
constexpr std::size_t kUsualTrailers = 2;

/// Of nghttp2's; becomes a string where that is to be.
struct Text {
  const std::uint8_t* at;
  std::size_t size;
  operator std::string() const { return {reinterpret_cast<const char*>(at), size}; }
};

}  // namespace

struct Callbacks {
  static Session& self(void* user) { return *static_cast<Session*>(user); }
  // nghttp2 finds a stream by its number each time; what follows each other is mostly one's.
  static StreamState* stream_of(nghttp2_session* raw, std::int32_t id, Session& session) {
    if (session.latest_ != nullptr && session.latest_->id == id) return session.latest_;
    auto* found = static_cast<StreamState*>(nghttp2_session_get_stream_user_data(raw, id));
    if (found != nullptr) session.latest_ = found;
    return found;
  }

  // Ends the connection for a header block of which no more may be decoded.
  static bool far_beyond(Session& session) {
    const Session::HeaderBlock& block = session.block_;
    const std::size_t most = kMaxHeaderExcess * session.options_.header_list_bytes;
    if (std::max(block.coded_bytes, block.list_bytes) <= most &&
        block.fields <= kMaxHeaderExcess * kMaxHeaderFields) {
      return false;
    }
    session.fatal(ErrorCode::kLimit, "HTTP/2: a header block far beyond its bounds",
                  kEnhanceYourCalm);
    return true;
  }

  // nghttp2 decodes header blocks of streams that are over without a word: such a one may have no
  // more than a frame.
  static bool goes_on_for_nobody(nghttp2_session* raw, const nghttp2_frame_hd& head,
                                 Session& session) {
    if ((head.flags & NGHTTP2_FLAG_END_HEADERS) != 0) return false;
    if (session.stream_ids_.is_new(head.stream_id)) {
      return session.drain_step_ == Session::DrainStep::kFinal;
    }
    const StreamState* stream = stream_of(raw, head.stream_id, session);
    return stream == nullptr || stream->reset_by_us;
  }

  static int begin_frame(nghttp2_session* raw, const nghttp2_frame_hd* head, void* user) {
    Session& session = self(user);
    if (head->type == NGHTTP2_HEADERS) session.block_ = {};
    if (head->type == NGHTTP2_HEADERS || head->type == NGHTTP2_CONTINUATION) {
      session.block_.coded_bytes += head->length;
      if (far_beyond(session)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (!session.server_ || head->type != NGHTTP2_HEADERS) return 0;
    if (goes_on_for_nobody(raw, *head, session)) {
      session.fatal(ErrorCode::kLimit,
                    "HTTP/2: a header block that goes on for a stream that is over",
                    kEnhanceYourCalm);
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (!session.stream_ids_.take(head->stream_id)) {
      session.fatal(ErrorCode::kProtocol, "HTTP/2: a stream number that was passed over",
                    kProtocolError);
    }
    return 0;
  }

  static int begin_headers(nghttp2_session* raw, const nghttp2_frame* frame, void* user) {
    Session& session = self(user);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      auto stream = std::make_shared<StreamState>(&session, session.options_.budget);
      // Until its header block is complete it has no handle, and little time.
      stream->handle_gone = true;
      const auto head_timeout = session.options_.head_timeout;
      const bool told = head_timeout.count() > 0;  // if it is late
      stream->linger_until =
          io::Loop::current().now() + (told ? io::Clock::duration(head_timeout) : kLingerTimeout);
      ++session.lingering_streams_;
      auto& added = session.add_stream(frame->hd.stream_id, std::move(stream));
      if (told) session.head_under_way_ = &added;
      nghttp2_session_set_stream_user_data(raw, frame->hd.stream_id, &added);
      session.latest_ = &added;
    }
    return 0;
  }

  // What is over the bound is not kept. Who serves the stream answers, which is a flood where it
  // comes too often, as with streams that are reset for it.
  static void oversized(Session& session, bool& told) {
    if (std::exchange(told, true) || session.resets_.take(io::Loop::current().now())) return;
    session.fatal(ErrorCode::kLimit, "HTTP/2: too many broken streams a second", kEnhanceYourCalm);
  }

  static int header(nghttp2_session* raw, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    Session& session = self(user);
    session.block_.list_bytes += name_size + value_size + 32;
    ++session.block_.fields;
    if (far_beyond(session)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    StreamState* stream = stream_of(raw, frame->hd.stream_id, session);
    if (stream == nullptr) return 0;
    Headers& into = stream->headers_complete ? stream->with_rare().trailers : stream->headers;
    if (session.block_.list_bytes > session.options_.header_list_bytes ||
        into.size() >= kMaxHeaderFields) {
      if (session.server_ && !session.options_.judges_messages) {
        oversized(session,
                  stream->headers_complete ? stream->oversized_trailers : stream->oversized);
      } else {
        session.break_off(*stream, kEnhanceYourCalm);  // once; what follows is counted, not kept
      }
      return 0;
    }
    if (into.empty()) into.reserve(stream->headers_complete ? kUsualTrailers : kUsualFields);
    into.emplace_back(Text{name, name_size}, Text{value, value_size});
    return 0;
  }

  static void headers_received(Session& session, StreamState& stream, std::uint8_t flags) {
    if (stream.reset_by_us) return;
    if (stream.headers_complete) {  // these were trailers, and they end it (RFC 9113 section 8.1)
      if ((flags & NGHTTP2_FLAG_END_STREAM) == 0) session.break_off(stream, kProtocolError);
      return;
    }
    if (!session.server_) {
      const std::string* status = find(stream.headers, ":status");
      if (status != nullptr && status->starts_with('1')) {
        RareHeaders& rare = stream.with_rare();
        if (++rare.informational_count > kMaxInformational) {
          return session.break_off(stream, kEnhanceYourCalm);
        }
        rare.informational.push_back(std::exchange(stream.headers, {}));
        return;
      }
    }
    stream.headers_complete = true;
    if (!session.server_) return;
    session.head_under_way_ = nullptr;
    // Streams that the peer has reset still count while their handlers wind down.
    if (session.streams_.size() > 2 * std::size_t{session.options_.max_streams}) {
      return session.reset(stream, kRefusedStream);
    }
    stream.handle_gone = false;
    --session.lingering_streams_;
    session.accepted_.push_back(stream.own);
  }

  static void reset_received(Session& session, const StreamState* stream) {
    const bool answered = stream != nullptr && (!session.server_ || stream->headers_sent);
    if (answered || session.resets_.take(io::Loop::current().now())) return;
    session.fatal(ErrorCode::kLimit, "HTTP/2: too many resets a second", kEnhanceYourCalm);
  }

  static void ping_received(Session& session, const nghttp2_ping& ping) {
    if ((ping.hd.flags & NGHTTP2_FLAG_ACK) == 0) return session.count_control_frame();
    session.ping_acknowledged(std::string_view(reinterpret_cast<const char*>(ping.opaque_data), 8));
  }

  static int frame_received(nghttp2_session* raw, const nghttp2_frame* frame, void* user) {
    Session& session = self(user);
    const auto id = frame->hd.stream_id;
    StreamState* stream = id > 0 ? stream_of(raw, id, session) : nullptr;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (stream != nullptr) headers_received(session, *stream, frame->hd.flags);
        break;
      case NGHTTP2_DATA:
        if (frame->data.hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
          session.count_control_frame();
        }
        break;
      case NGHTTP2_RST_STREAM:
        reset_received(session, stream);
        break;
      case NGHTTP2_SETTINGS:
        session.count_control_frame();
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
          session.settings_received_ = true;
          session.settings_event_.notify();
        }
        break;
      case NGHTTP2_PING:
        ping_received(session, frame->ping);
        break;
      case NGHTTP2_PRIORITY:
        session.count_control_frame();
        break;
      case NGHTTP2_GOAWAY:
        session.draining_ = true;
        break;
      default:
        break;
    }
    const bool carries_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (stream == nullptr || !carries_end) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->remote_ended = true;
    stream->tell_readable();
    return 0;
  }

  static int data_received(nghttp2_session* raw, std::uint8_t, std::int32_t id,
                           const std::uint8_t* data, std::size_t size, void* user) {
    Session& session = self(user);
    StreamState* stream = stream_of(raw, id, session);
    if (stream == nullptr || stream->handle_gone || stream->reset_by_us) {
      nghttp2_session_consume(raw, id, size);
      return 0;
    }
    stream->any_received = true;
    stream->received.append({data, size});
    session.received_bytes_ += size;
    // The connection's window only bounds what is on its way: were it credited when the bytes are
    // consumed, a few streams that nobody reads would stop all others.
    nghttp2_session_consume_connection(raw, size);
    const Budget* budget = session.options_.budget;
    const bool exhausted = session.received_bytes_ > session.options_.connection_unread_bytes ||
                           (budget != nullptr && budget->exhausted());
    if (exhausted && stream->received.size() > kFairReceiveBytes) {
      session.reset(*stream, kEnhanceYourCalm,
                    {ErrorCode::kReset, Origin::kLocal, 0, "HTTP/2: too much is unread"});
    }
    stream->tell_readable();
    return 0;
  }

  static int stream_closed(nghttp2_session* raw, std::int32_t id, std::uint32_t code, void* user) {
    Session& session = self(user);
    if (StreamState* stream = stream_of(raw, id, session)) session.close_stream(*stream, code);
    return 0;
  }

  // A peer that makes us reset its streams, by breaking their rules or bounds, floods as one that
  // resets them itself.
  static void reset_sent(Session& session, std::uint32_t code) {
    const bool provoked = code != kNoError && code != kCancel && code != kInternalError;
    if (!session.server_ || !provoked || session.resets_.take(io::Loop::current().now())) return;
    session.fatal(ErrorCode::kLimit, "HTTP/2: too many broken streams a second", kEnhanceYourCalm);
  }

  static int frame_sent(nghttp2_session* raw, const nghttp2_frame* frame, void* user) {
    Session& session = self(user);
    if (frame->hd.type == NGHTTP2_RST_STREAM) reset_sent(session, frame->rst_stream.error_code);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      session.draining_ = true;
      if (frame->goaway.error_code != NGHTTP2_NO_ERROR && session.result_) {
        session.result_ =
            fail(ErrorCode::kProtocol, "HTTP/2: the peer broke the protocol", session.peer());
      }
    }
    const bool carries_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!carries_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    StreamState* stream = stream_of(raw, frame->hd.stream_id, session);
    if (stream == nullptr) return 0;
    stream->end_sent = true;
    stream->tell_writable();
    // A server that has answered in full needs no more of the request (RFC 9113 section 8.1).
    if (stream->handle_gone && !stream->remote_ended) session.reset(*stream, kNoError);
    return 0;
  }

  // A request that could not be sent, e.g. as GOAWAY came first: the peer never saw it. An answer
  // that could not be, e.g. as it is too large: nothing else would end its stream.
  static int frame_not_sent(nghttp2_session* raw, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    Session& session = self(user);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
      StreamState* stream = stream_of(raw, frame->hd.stream_id, session);
      if (stream != nullptr) session.reset(*stream, kInternalError);
      return 0;
    }
    StreamState* found = session.streams_.find(frame->hd.stream_id);
    if (found == nullptr) return 0;
    nghttp2_session_set_stream_user_data(raw, frame->hd.stream_id,
                                         nullptr);  // it may be freed here
    session.close_stream(*found, kRefusedStream);
    return 0;
  }

  static ssize_t frame_payload_size(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t,
                                    std::int32_t, std::uint32_t remote_max_frame_size, void*) {
    return static_cast<ssize_t>(std::min<std::size_t>(kDataPayloadBytes, remote_max_frame_size));
  }

  static ssize_t data_wanted(nghttp2_session* raw, std::int32_t id, std::uint8_t*,
                             std::size_t length, std::uint32_t* flags, nghttp2_data_source* source,
                             void*) {
    auto& stream = *static_cast<StreamState*>(source->ptr);
    const std::size_t size = std::min(length, stream.sendable_bytes());
    if (size == 0 && !stream.end_queued) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream.end_queued && size == stream.sendable_bytes()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream.rare != nullptr && !stream.rare->trailers_to_send.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto fields = to_fields(stream.rare->trailers_to_send, nullptr);
        nghttp2_submit_trailer(raw, id, fields->data(), fields->size());
        stream.rare->trailers_to_send.clear();
      }
    }
    return static_cast<ssize_t>(size);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_header,
                       std::size_t length, nghttp2_data_source* source, void* user) {
    Session& session = self(user);
    auto& stream = *static_cast<StreamState*>(source->ptr);
    if (session.batch_bytes() + 9 + length > kWriteBatchBytes) {
      session.batch_full_ = true;
      return NGHTTP2_ERR_WOULDBLOCK;
    }
    session.batch_.insert(session.batch_.end(), frame_header, frame_header + 9);
    session.send_queue_bytes_ -= length;
    while (length > 0 && !stream.to_send.empty()) {
      const auto part =
          stream.to_send.front().first(std::min(length, stream.to_send.front().size()));
      session.batch_.insert(session.batch_.end(), part.begin(), part.end());
      length -= part.size();
      stream.to_send.pop(part.size());
    }
    if (length > 0) {
      const auto part = stream.borrowed.first(length);
      stream.borrowed = stream.borrowed.subspan(length);
      if (length < kPassBytes) {
        session.batch_.insert(session.batch_.end(), part.begin(), part.end());
      } else {
        session.borrowed_.push_back({session.batch_.size(), part});
        session.borrowed_bytes_ += length;
      }
    }
    stream.tell_writable();
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* all = nullptr;
    if (nghttp2_session_callbacks_new(&all) != 0) std::abort();  // out of memory
    nghttp2_session_callbacks_set_on_begin_frame_callback(all, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, data_received);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, stream_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(all, frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(all, send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(all, frame_payload_size);
    return all;
  }
};

const nghttp2_session_callbacks* session_callbacks() {
  static const nghttp2_session_callbacks* all = Callbacks::make();
  return all;
}

nghttp2_data_provider data_provider(StreamState& stream) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Callbacks::data_wanted;
  return provider;
}

}  // namespace culvert::h2
