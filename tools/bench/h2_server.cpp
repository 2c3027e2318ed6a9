#include "bench/h2_server.hpp"

#include <array>
#include <string>
#include <vector>

namespace culvert::bench {

struct H2ServerCallbacks {
  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    auto& stream = static_cast<H2Exchange*>(user)->streams_[frame->hd.stream_id];
    if (as_text(name, name_size) == ":path") {
      if (const auto request = parse_bytes_path(as_text(value, value_size))) {
        stream.request = *request;
        stream.known = true;
      }
    } else if (as_text(name, name_size) == "content-type") {
      stream.grpc = as_text(value, value_size).starts_with("application/grpc");
    }
    return 0;
  }

  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
    auto& stream = static_cast<H2Exchange*>(user)->streams_[id];
    if (!stream.received.take(as_text(bytes, size))) stream.wrong = true;
    return 0;
  }

  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<H2Exchange*>(user);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto& stream = self.streams_[frame->hd.stream_id];
    if (frame->hd.type == NGHTTP2_HEADERS)
      stream.received =
          MessageCheck(stream.request.stream, stream.grpc ? kGrpcMessageBytes : 0, stream.grpc);
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    return ended ? self.answer(frame->hd.stream_id, stream) : 0;
  }

  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    static_cast<H2Exchange*>(user)->streams_.erase(id);
    return 0;
  }

  static ssize_t send_body(nghttp2_session* session, std::int32_t id, std::uint8_t* into,
                           std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                           void* user) {
    auto& stream = static_cast<H2Exchange*>(user)->streams_[id];
    const std::size_t n = stream.answer.read({into, size});
    if (!stream.answer.ended()) return static_cast<ssize_t>(n);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream.grpc) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      // INVALID_ARGUMENT for a message that is not the one that was sent.
      const nghttp2_nv status = h2_field("grpc-status", stream.wrong ? "3" : "0");
      if (nghttp2_submit_trailer(session, id, &status, 1) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return static_cast<ssize_t>(n);
  }

  static const nghttp2_session_callbacks* all() {
    static const H2Callbacks made = [] {
      H2Callbacks out = new_h2_callbacks();
      nghttp2_session_callbacks_set_on_header_callback(out.get(), header);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out.get(), data);
      nghttp2_session_callbacks_set_on_frame_recv_callback(out.get(), frame);
      nghttp2_session_callbacks_set_on_stream_close_callback(out.get(), closed);
      return out;
    }();
    return made.get();
  }
};

H2Exchange::H2Exchange() : link_(true, H2ServerCallbacks::all(), this) {}

int H2Exchange::answer(std::int32_t id, Stream& stream) {
  if (!stream.known) {
    const nghttp2_nv status = h2_field(":status", "404");
    return nghttp2_submit_response(link_.session(), id, &status, 1, nullptr);
  }
  if (!stream.received.whole()) stream.wrong = true;
  stream.answer = MessageSource(stream.request.stream, stream.request.size, stream.grpc);
  const std::string length = std::to_string(stream.request.size);
  const std::array<nghttp2_nv, 2> head{h2_field(":status", "200"),
                                       stream.grpc ? h2_field("content-type", "application/grpc")
                                                   : h2_field("content-length", length)};
  const nghttp2_data_provider body{{}, H2ServerCallbacks::send_body};
  return nghttp2_submit_response(link_.session(), id, head.data(), head.size(), &body);
}

}  // namespace culvert::bench
