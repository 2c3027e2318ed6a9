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
};

class Call {
 public:
  enum class State : std::uint8_t { kMore, kDone, kFailed };

  /// False: only a sample of long answers is compared (PatternCheck).
  void set_every_byte(bool every_byte) { every_byte_ = every_byte; }
  /// Sends the request. False, and counted, when the socket does not take it at once.
  bool begin(int fd, std::uint64_t size, std::uint64_t stream, bool close, Failures& failures);
  /// The socket is readable. With "close" it is done at the end of the stream. Failures are
  /// counted.
  State advance(int fd, Failures& failures);

 private:
  State take(std::string_view got, Failures& failures);

  std::string head_;  // of the answer that is wanted
  std::uint64_t head_got_ = 0;
  std::uint64_t size_ = 0;
  PatternCheck body_{0, true};
  bool close_ = false;
  bool every_byte_ = true;
};

}  // namespace culvert::bench
