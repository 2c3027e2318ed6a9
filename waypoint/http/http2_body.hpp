// What both sides of an exchange on a stream of HTTP/2 do alike: bodies. Part of Http2Server and
// Http2Client; loop thread.
#pragma once

#include <cstdint>
#include <optional>

#include "culvert/base/error.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/http/fields.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint {

/// Reads the peer's body. Errors are given `origin`, but kCancelled.
class Http2BodyReader {
 public:
  Http2BodyReader(h2::Stream& stream, const http::Limits& limits, Origin origin)
      : stream_(stream), limits_(limits), origin_(origin) {}
  io::Task<Result<Bytes>> read(io::Deadline deadline);
  std::optional<Result<Bytes>> try_read();
  http::Fields& trailers() { return trailers_; }
  /// What the head announced: a body that is longer or shorter is refused.
  void expect(const std::optional<std::uint64_t>& length) { left_bytes_ = length; }
  /// Why the body was refused; null while it is not.
  const http::Refusal* refusal() const { return refusal_ ? &*refusal_ : nullptr; }

 private:
  Result<Bytes> judge(Result<Bytes> part);
  Result<Bytes> refuse(const http::Refusal& why);

  h2::Stream& stream_;
  const http::Limits& limits_;
  const Origin origin_;
  bool ended_ = false;
  std::optional<std::uint64_t> left_bytes_;
  std::optional<http::Refusal> refusal_;
  http::Fields trailers_;
};

/// Sends ours, exactly as long as its head announced.
class Http2BodyWriter {
 public:
  Http2BodyWriter(h2::Stream& stream, Origin origin) : stream_(stream), origin_(origin) {}
  /// `takes_bytes` false: what is written is left out (the answer to HEAD).
  void begin(const http::Body& body, bool takes_bytes);
  io::Task<Result<void>> write(Bytes bytes, io::Deadline deadline);
  /// The same without waiting; nullopt, and nothing was done, where it would wait.
  std::optional<Result<void>> try_write(Bytes bytes);
  /// The head's frame ends the stream. False where it must not: a body was announced.
  bool end_with_head();
  /// Queues the end. A body that is too short resets the stream: kInvalid.
  Result<void> end(const http::Fields& trailers);
  /// Whether all of it was handed to the transport; nullopt while it was not: then the stream's
  /// wait_writable().
  std::optional<Result<void>> try_flushed();
  bool ended() const { return ended_; }

 private:
  h2::Stream& stream_;
  const Origin origin_;
  bool takes_bytes_ = false;
  bool ended_ = false;
  std::optional<std::uint64_t> left_bytes_;
};

/// `error` as one of the peer's: a connection that ended is kReset.
Error peer_error(Error error, Origin origin);

}  // namespace culvert::waypoint
