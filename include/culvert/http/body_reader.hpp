// BodyReader: a message's body in HTTP/1.1 (RFC 9112 sections 6 and 7), as views into the input.
// Owned by the readers of http1_reader.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "culvert/http/fields.hpp"
#include "culvert/http/head_buffer.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

/// What a reader found in its input.
enum class Found : std::uint8_t {
  kMore,           // nothing yet: all input is eaten
  kInformational,  // a response's head with 1xx; the next head follows
  kHead,           // the head
  kBody,           // some of the body
  kEnd,            // the message is complete, its trailers are there; the rest belongs to the next
};

struct Piece {
  Found found = Found::kMore;
  std::size_t eaten = 0;               // of the input, from its front
  std::span<const std::uint8_t> body;  // with kBody: a view into the input, never empty
};

class BodyReader {
 public:
  explicit BodyReader(const Limits& limits) : limits_(limits) {}

  // How the body ends; each begins a new one.
  void begin_none();
  void begin_length(std::uint64_t bytes);
  void begin_chunked();
  void begin_until_close();

  /// kMore, kBody or kEnd. Empty input is fine: a body without bytes is at its end.
  std::expected<Piece, Refusal> read(std::span<const std::uint8_t> input);
  /// The connection has ended: true when that is the end of this body.
  bool may_end() const { return state_ == State::kUntilClose || state_ == State::kDone; }

  Fields& trailers() { return trailers_; }
  const Fields& trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t {
    kDone,
    kLength,
    kUntilClose,
    kSize,
    kExtension,
    kSizeLf,
    kChunk,
    kChunkCr,
    kChunkLf,
    kTrailers,
  };
  std::expected<void, Refusal> read_framing(std::uint8_t byte);
  std::expected<void, Refusal> read_size(std::uint8_t byte);
  Piece take_bytes(std::span<const std::uint8_t> input, std::size_t framing, State then);
  std::expected<Piece, Refusal> read_trailers(std::span<const std::uint8_t> input,
                                              std::size_t framing);

  Limits limits_;
  State state_ = State::kDone;
  std::uint64_t left_bytes_ = 0;  // of the body, or of the chunk
  std::size_t size_digits_ = 0;
  std::size_t extension_bytes_ = 0;
  HeadBuffer trailer_lines_;
  Fields trailers_;
};

}  // namespace culvert::http
