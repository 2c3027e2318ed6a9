// Http1Sender: a body on its way out in HTTP/1.1, framed as its head announced it. Part of
// Http1Server and Http1Client; loop thread.
#pragma once

#include <cstdint>
#include <optional>

#include "culvert/http/fields.hpp"
#include "culvert/http/http1_writer.hpp"
#include "waypoint/http/output.hpp"

namespace culvert::waypoint {

class Http1Sender {
 public:
  explicit Http1Sender(Output& output) : output_(output) {}

  /// Its head stands in the queue. `length`: with Framing::kLength.
  void begin(http::Framing framing, std::optional<std::uint64_t> length);
  /// Bytes as they are, after an upgrade.
  void begin_raw() { begin(http::Framing::kUntilClose, std::nullopt); }
  /// A part of the body; without effect where there is none (the answer to HEAD). kInvalid for more
  /// than was announced, and none of it is sent.
  io::Task<Result<void>> write(Bytes bytes, io::Deadline deadline);
  /// Queues the end. False when the body is shorter than announced: the connection must be cut.
  bool end(const http::Fields& trailers);

 private:
  Output& output_;
  http::Framing framing_ = http::Framing::kNone;
  std::uint64_t left_bytes_ = 0;
};

}  // namespace culvert::waypoint
