// One GET of a client: sends the request, compares the answer with what was asked for, byte by
// byte.
#pragma once

#include <cstdint>
#include <string>

#include "bench/net.hpp"
#include "bench/pattern.hpp"

namespace culvert::bench {

/// What all clients are told.
struct Target {
  SocketAddress address;
  std::uint64_t answer_bytes = 1024;
  std::string authority = "bench";
  bool proxied = false;  // an HTTP proxy is on the way: heads may differ from the origin's
};

class Call {
 public:
  enum class State : std::uint8_t { kMore, kDone, kFailed };

  /// False: only a sample of long answers is compared (PatternCheck).
  void set_every_byte(bool every_byte) { every_byte_ = every_byte; }
  /// Sends the request for `size` bytes. False, and counted, when the socket does not take it at
  /// once.
  bool begin(int fd, const Target& target, std::uint64_t size, std::uint64_t stream, bool close,
             Failures& failures);
  /// The socket is readable. With "close" it is done at the end of the stream. Failures are
  /// counted.
  State advance(int fd, Failures& failures);

 private:
  State take(std::string_view got, Failures& failures);
  bool take_head(std::string_view& got);
  bool take_proxied_head(std::string_view& got);
  bool whole() const { return head_whole_ && body_.bytes() == size_; }

  std::string head_;  // of the answer that is wanted; proxied: what came of it, in pieces
  std::uint64_t head_got_ = 0;
  bool head_whole_ = false;
  bool proxied_ = false;
  std::uint64_t size_ = 0;
  PatternCheck body_{0, true};
  bool close_ = false;
  bool every_byte_ = true;
};

}  // namespace culvert::bench
