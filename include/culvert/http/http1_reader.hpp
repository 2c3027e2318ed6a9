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

#include "culvert/http/body_reader.hpp"
#include "culvert/http/head_buffer.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

/// A server's side. One request at a time: pipelined ones wait in the input until next().
class RequestReader {
 public:
  explicit RequestReader(const Limits& limits = {}) : limits_(limits), body_(limits) {}

  /// The next piece: kHead, then any kBody, then kEnd. After kHead also with empty input: a request
  /// without a body is then at its end. After a refusal no more is read.
  std::expected<Piece, Refusal> read(std::span<const std::uint8_t> input);
  /// From kHead to next(); the owner may change it.
  RequestHead& head() { return head_; }
  /// From kEnd to next().
  Fields& trailers() { return body_.trailers(); }
  /// The client wants, and its message allows, that another request follows on this connection.
  bool keep_alive() const { return keep_alive_; }
  /// The connection has ended: in order between requests, else kTruncated.
  std::expected<void, Refusal> finish() const;
  /// Nothing of a request has come.
  bool idle() const { return state_ == State::kHead && lines_.empty(); }
  /// Also with a part of a head: its length is not known yet.
  bool in_head() const { return state_ == State::kHead; }
  /// After kEnd.
  void next();

 private:
  enum class State : std::uint8_t { kHead, kBody, kEnd, kRefused };
  std::expected<Piece, Refusal> read_head(std::span<const std::uint8_t> input);
  std::expected<void, Refusal> parse(std::string_view lines);

  Limits limits_;
  State state_ = State::kHead;
  bool keep_alive_ = true;
  HeadBuffer lines_;
  RequestHead head_;
  BodyReader body_;
};

/// A client's side. Each response answers the request that next() told of.
class ResponseReader {
 public:
  explicit ResponseReader(const Limits& limits = {}) : limits_(limits), body_(limits) {}

  /// Before each response: the request was HEAD; it asked for this upgrade ("" for none).
  void next(bool to_head, std::string_view upgrade = {});

  /// Any kInformational, kHead, any kBody, kEnd. After the kEnd of a 101 the rest is not HTTP.
  std::expected<Piece, Refusal> read(std::span<const std::uint8_t> input);
  /// From kInformational or kHead to the next read of a head.
  ResponseHead& head() { return head_; }
  Fields& trailers() { return body_.trailers(); }
  /// The server lets the connection be used again.
  bool keep_alive() const { return keep_alive_; }
  /// The connection has ended: kEnd when that ends the body, as HTTP/1.0 does; else kTruncated.
  std::expected<Piece, Refusal> finish();
  /// Nothing of the response has come.
  bool idle() const { return state_ == State::kHead && lines_.empty() && informational_ == 0; }

 private:
  enum class State : std::uint8_t { kHead, kBody, kEnd, kRefused };
  std::expected<Piece, Refusal> read_head(std::span<const std::uint8_t> input);
  std::expected<void, Refusal> parse(std::string_view lines);

  Limits limits_;
  State state_ = State::kHead;
  bool to_head_ = false;
  bool keep_alive_ = true;
  std::size_t informational_ = 0;
  std::string upgrade_;
  HeadBuffer lines_;
  ResponseHead head_;
  BodyReader body_;
};

}  // namespace culvert::http
