// A body of the bench as HTTP/2 carries it: bytes of the pattern, for gRPC behind the five bytes
// that say how many (PROTOCOL-HTTP2 of gRPC, Length-Prefixed-Message). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bench/pattern.hpp"

namespace culvert::bench {

inline constexpr std::size_t kGrpcPrefixBytes = 5;
std::string grpc_prefix(std::uint64_t size);

/// What is still to send of one.
class MessageSource {
 public:
  MessageSource() = default;
  MessageSource(std::uint64_t stream, std::uint64_t size, bool grpc)
      : prefix_(grpc ? grpc_prefix(size) : ""), stream_(stream), left_(size) {}

  /// Fills the front of `into`; how many bytes those are.
  std::size_t read(std::span<std::uint8_t> into);
  bool ended() const { return prefix_.empty() && left_ == 0; }

 private:
  std::string prefix_;
  std::uint64_t stream_ = 0, left_ = 0, offset_ = 0;
};

/// Compares one that comes.
class MessageCheck {
 public:
  MessageCheck() = default;
  MessageCheck(std::uint64_t stream, std::uint64_t size, bool grpc)
      : prefix_(grpc ? grpc_prefix(size) : ""), size_(size), body_(stream, true) {}

  /// The next piece, at most kSpanBytes. False when it is not what was sent.
  bool take(std::string_view piece);
  bool whole() const { return prefix_got_ == prefix_.size() && body_.bytes() == size_; }

 private:
  std::string prefix_;
  std::size_t prefix_got_ = 0;
  std::uint64_t size_ = 0;
  PatternCheck body_{0, true};
};

}  // namespace culvert::bench
