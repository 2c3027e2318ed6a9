// Limits: what a peer's HTTP message may hold. Plain values; any thread. Times (waiting for a head,
// an idle connection) are deadlines of whoever reads, and not here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace culvert::http {

/// Longer methods are nobody's (RFC 9112 section 3: 501).
inline constexpr std::size_t kMaxMethodBytes = 32;
/// Options in a message's Connection fields together.
inline constexpr std::size_t kMaxConnectionOptions = 16;
/// Informational responses before a final one.
inline constexpr std::size_t kMaxInformational = 16;
/// Digits of a chunk's size, leading zeros included: 64 bits (RFC 9112 section 7.1).
inline constexpr std::size_t kMaxChunkSizeDigits = 16;
/// Digits of a Content-Length, leading zeros included; the largest body is 2^63 - 1 bytes.
inline constexpr std::size_t kMaxLengthDigits = 19;
inline constexpr std::uint64_t kMaxBodyBytes = INT64_MAX;

/// Defaults are Envoy's where it has one, so that what passed before passes.
struct Limits {
  std::size_t head_bytes = 60U << 10;    // start line and fields; more: 431
  std::size_t target_bytes = 32U << 10;  // of a request line; more: 414
  std::size_t fields = 100;              // in a head, and again in trailers; more: 431
  std::size_t trailer_bytes = 16U << 10;
  std::size_t chunk_extension_bytes = 4096;   // of a body's chunks together
  std::size_t retry_buffer_bytes = 1U << 20;  // of a request's body kept for another attempt
};

}  // namespace culvert::http
