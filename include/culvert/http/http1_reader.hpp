// Readers of HTTP/1.1 and 1.0 (RFC 9112), without I/O: bytes in, heads and views of bodies out. A
// connection's owner feeds them on its thread. What two parsers could read differently is refused
// (docs/decisions/0093-http1-parser.md).
//
//   while (!input.empty()) {
//     const auto piece = reader.read(input);        // refused: answer with its status, close
//     input = input.subspan(piece->eaten);
//     switch (piece->found) { ... }                 // kEnd: answer, then next()
//   }
//
// Where bytes are cut changes nothing but where views of a body are cut. A head that is not whole
// is kept inside; whole heads and bodies are never copied to wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "culvert/http/body_reader.hpp"
#include "culvert/http/head_buffer.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

/// What both sides share; not used by itself.
class Http1Reader {
 public:
  /// From kEnd to next(); the owner may change them.
  Fields& trailers() { return body_.trailers(); }
  /// Peer and message allow that another exchange follows on this connection. From kHead on.
  bool keep_alive() const { return keep_alive_; }

 protected:
  enum class State : std::uint8_t { kHead, kBody, kEnd, kRefused };

  explicit Http1Reader(const Limits& limits) : limits_(limits), body_(limits) {}

  /// `parse` makes a head of its lines: kHead or kInformational.
  template <class Parse>
  std::expected<Piece, Refusal> read_message(std::span<const std::uint8_t> input, HeadBuffer::Of of,
                                             Parse parse);
  template <class Parse>
  std::expected<Piece, Refusal> read_head(std::span<const std::uint8_t> input, HeadBuffer::Of of,
                                          Parse parse);

  Limits limits_;
  State state_ = State::kHead;
  bool keep_alive_ = true;
  HeadBuffer lines_;
  BodyReader body_;
};

/// A server's side. One request at a time: pipelined ones wait in the input until next().
class RequestReader : public Http1Reader {
 public:
  explicit RequestReader(const Limits& limits = {}) : Http1Reader(limits) {}

  /// The next piece: kHead, then any kBody, then kEnd. After kHead also with empty input: a request
  /// without a body is then at its end. After a refusal no more is read.
  std::expected<Piece, Refusal> read(std::span<const std::uint8_t> input);
  /// From kHead to next(); the owner may change it.
  RequestHead& head() { return head_; }
  /// The connection has ended: in order between requests, else kTruncated.
  std::expected<void, Refusal> finish() const;
  /// Nothing of a request has come.
  bool idle() const { return state_ == State::kHead && lines_.empty(); }
  /// Also with a part of a head: its length is not known yet.
  bool in_head() const { return state_ == State::kHead; }
  /// After kEnd.
  void next();

 private:
  std::expected<Found, Refusal> parse(std::string_view lines);

  RequestHead head_;
};

/// A client's side. Each response answers the request that next() told of.
class ResponseReader : public Http1Reader {
 public:
  explicit ResponseReader(const Limits& limits = {}) : Http1Reader(limits) {}

  /// Before each response: the request was HEAD; it asked for this upgrade ("" for none).
  void next(bool to_head, std::string_view upgrade = {});

  /// Any kInformational, kHead, any kBody, kEnd. After the kEnd of a 101 the rest is not HTTP.
  std::expected<Piece, Refusal> read(std::span<const std::uint8_t> input);
  /// From kInformational or kHead to the next read of a head.
  ResponseHead& head() { return head_; }
  /// The connection has ended: kEnd when that ends the body, as HTTP/1.0 does; else kTruncated.
  std::expected<Piece, Refusal> finish();
  /// Nothing of the response has come.
  bool idle() const { return state_ == State::kHead && lines_.empty() && informational_ == 0; }

 private:
  std::expected<Found, Refusal> parse(std::string_view lines);

  bool to_head_ = false;
  std::size_t informational_ = 0;
  std::string upgrade_;
  ResponseHead head_;
};

}  // namespace culvert::http
