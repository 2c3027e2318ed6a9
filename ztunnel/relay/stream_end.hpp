// One end of a relay that is an HTTP/2 CONNECT stream (RFC 9113 section 8.5): END_STREAM is FIN,
// RST_STREAM with CONNECT_ERROR is RST. CANCEL and NO_ERROR from a peer count as its end of stream,
// because Istio's ztunnel sends them so.
#pragma once

#include "culvert/h2/options.hpp"
#include "culvert/h2/stream.hpp"

namespace culvert::ztunnel {

class StreamEnd {
 public:
  explicit StreamEnd(h2::Stream& stream) : stream_(stream) {}  // the caller keeps the handle

  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline deadline);
  [[clang::coro_wrapper]] io::Task<Result<void>> write(std::span<const std::uint8_t> bytes,
                                                       io::Deadline deadline) {
    return bytes.size() < h2::kPassBytes ? stream_.write(bytes, deadline)
                                         : stream_.pass(bytes, deadline);
  }
  /// Credits the peer's window: only after the bytes have left.
  void passed_on(std::span<const std::uint8_t>&) { stream_.consumed(); }
  void finish() { (void)stream_.finish(); }
  void reset() { stream_.reset(h2::kConnectError); }

 private:
  h2::Stream& stream_;
};

}  // namespace culvert::ztunnel
