// One end of a relay that is an HTTP/2 CONNECT stream (RFC 9113 section 8.5): END_STREAM is FIN,
// RST_STREAM with CONNECT_ERROR is RST. CANCEL and NO_ERROR from a peer count as its end of stream,
// because Istio's ztunnel sends them so.
#pragma once

#include <coroutine>
#include <optional>
#include <span>

#include "culvert/h2/options.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/io/event.hpp"

namespace culvert::proxy {

/// What a stream gave; or, with `nothing`, that it gave nothing yet.
struct StreamPart {
  std::span<const std::uint8_t> bytes;
  bool nothing = false;
  bool empty() const { return bytes.empty(); }
};

inline std::span<const std::uint8_t> bytes_of(const StreamPart& part) {
  return part.bytes;
}
inline bool is_nothing(const StreamPart& part) {
  return part.nothing;
}

class StreamEnd {
 public:
  explicit StreamEnd(h2::Stream& stream) : stream_(stream) {}  // the caller keeps the handle

  /// Waits in the frame of who awaits it: nothing is allocated a read.
  class [[nodiscard]] Read {
   public:
    Read(h2::Stream& stream, io::Deadline deadline)
        : stream_(stream), wait_(stream.wait_readable(deadline)) {}
    bool await_ready() const noexcept { return stream_.readable(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> handle) {
      waited_ = true;
      return wait_.await_suspend(handle);
    }
    Result<StreamPart> await_resume();

   private:
    h2::Stream& stream_;
    io::Event::Wait wait_;
    bool waited_ = false;
  };

  Read read(io::Deadline deadline) { return {stream_, deadline}; }
  [[clang::coro_wrapper]] io::Task<Result<void>> write(std::span<const std::uint8_t> bytes,
                                                       io::Deadline deadline) {
    return bytes.size() < h2::kPassBytes ? stream_.write(bytes, deadline)
                                         : stream_.pass(bytes, deadline);
  }
  /// Credits the peer's window: only after the bytes have left.
  void passed_on(StreamPart&) { stream_.consumed(); }
  void finish(bool) { (void)stream_.finish(); }
  void reset() { stream_.reset(h2::kConnectError); }

 private:
  h2::Stream& stream_;
};

}  // namespace culvert::proxy
