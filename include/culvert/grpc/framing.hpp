// Length-prefixed messages (gRPC over HTTP/2, "Length-Prefixed-Message"). Pure; fed any cut of
// bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "culvert/grpc/status.hpp"

namespace culvert::grpc {

inline constexpr std::size_t kFramePrefixBytes = 5;
/// One message, unless the caller names another bound (gRPC's own default).
inline constexpr std::size_t kDefaultMaxMessageBytes = 4U << 20;

/// The prefix of an uncompressed message of `size` bytes (below 4 GiB).
std::array<std::uint8_t, kFramePrefixBytes> frame_prefix(std::size_t size);

class Deframer {
 public:
  explicit Deframer(std::size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  /// Takes bytes up to the end of one message: returns how many; next() then gives the message.
  /// Memory grows with what has arrived, not with what a prefix claims.
  std::size_t feed(std::span<const std::uint8_t> bytes);
  /// The message, once it is whole.
  std::optional<std::string> next();
  /// kResourceExhausted: above the bound; kUnimplemented: compressed. Final.
  const Status& status() const { return status_; }
  /// Between two messages: the only place where a stream may end.
  bool at_boundary() const { return prefix_size_ == 0; }

 private:
  void prefix_complete();

  const std::size_t max_message_bytes_;
  std::array<std::uint8_t, kFramePrefixBytes> prefix_{};
  std::size_t prefix_size_ = 0;
  std::size_t message_bytes_ = 0;
  std::string message_;
  Status status_;
};

}  // namespace culvert::grpc
