// Heads as HTTP/2 carries them (RFC 9113 section 8): fields in, heads out, and the other way. Pure;
// any thread. Frames, HPACK and streams are lib/h2's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "culvert/http/limits.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::http {

/// What the fields of one section share: their bounds, and what they may not be.
class Http2Section {
 public:
  explicit Http2Section(const Limits& limits) : limits_(limits) {}

 protected:
  std::expected<void, Refusal> count(std::string_view name, std::string_view value);
  /// A field other than a pseudo-header: into `fields`, or kept here.
  std::expected<void, Refusal> add_field(std::string_view name, std::string_view value,
                                         Fields& fields);

  bool in_fields_ = false;  // no pseudo-header may follow
  std::size_t lengths_ = 0;
  std::optional<std::uint64_t> length_;

 private:
  Limits limits_;
  std::size_t bytes_ = 0;
  std::size_t fields_ = 0;
};

/// A request: add() each field in order, then finish() once, until when the values of
/// pseudo-headers stay the caller's. After a refusal no more: the stream is malformed
/// (section 8.1.1), and its connection goes on.
class Http2RequestBuilder : private Http2Section {
 public:
  explicit Http2RequestBuilder(const Limits& limits = {}) : Http2Section(limits) {}

  /// As Fields::reserve.
  void reserve(std::size_t fields, std::size_t bytes) { head_.fields.reserve(fields, bytes); }

  std::expected<void, Refusal> add(std::string_view name, std::string_view value);
  /// `end_stream`: the head's frame ended the stream. Cookies are one field from here on (section
  /// 8.2.3). An extended CONNECT for websocket (RFC 8441) is a GET with `upgrade`.
  std::expected<RequestHead, Refusal> finish(bool end_stream);

 private:
  std::expected<void, Refusal> add_pseudo(std::string_view name, std::string_view value);
  std::expected<void, Refusal> take_host();

  RequestHead head_;
  std::optional<std::string_view> method_, scheme_, authority_, path_, protocol_;
};

/// A response, likewise. `upgrade`: what the request asked for; status 200 then is our 101.
class Http2ResponseBuilder : private Http2Section {
 public:
  explicit Http2ResponseBuilder(bool to_head, std::string_view upgrade = {},
                                const Limits& limits = {})
      : Http2Section(limits), to_head_(to_head), upgrade_(upgrade) {}

  /// As Fields::reserve.
  void reserve(std::size_t fields, std::size_t bytes) { head_.fields.reserve(fields, bytes); }

  std::expected<void, Refusal> add(std::string_view name, std::string_view value);
  std::expected<ResponseHead, Refusal> finish(bool end_stream);

 private:
  const bool to_head_;
  const std::string_view upgrade_;
  ResponseHead head_;
};

/// Trailers, of either side.
class Http2TrailersBuilder : private Http2Section {
 public:
  explicit Http2TrailersBuilder(const Limits& limits = {}) : Http2Section(limits) {}

  std::expected<void, Refusal> add(std::string_view name, std::string_view value);
  Fields finish() { return std::move(fields_); }

 private:
  Fields fields_;
};

/// A head's fields as they are sent: pseudo-headers first. The list is of views: of the head, and
/// of this object; it holds until either changes.
class Http2Fields {
 public:
  /// A request with `upgrade` is an extended CONNECT.
  std::span<const Field> request(const RequestHead& head);
  /// 101 is 200 here.
  std::span<const Field> response(const ResponseHead& head);
  std::span<const Field> trailers(const Fields& trailers);

 private:
  void add_all(const Fields& fields);
  void add_length(std::uint64_t length);

  std::vector<Field> list_;
  std::array<char, 20> length_;
  std::array<char, 3> status_;
};

}  // namespace culvert::http
