// HTTP on streams: heads as lib/http has them, out of and into a stream's header blocks. Loop
// thread of the stream's connection.
#pragma once

#include <expected>
#include <optional>
#include <span>

#include "culvert/base/error.hpp"
#include "culvert/h2/connection.hpp"
#include "culvert/h2/header.hpp"
#include "culvert/h2/stream.hpp"
#include "culvert/http/http2_heads.hpp"
#include "culvert/http/limits.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"

namespace culvert::h2 {

/// Server: the request of a stream. nghttp2 has refused what breaks RFC 9113 already (its streams
/// are reset and never come here); what it lets pass, e.g. a malformed authority, is refused here:
/// answer with the status, or reset with PROTOCOL_ERROR.
std::expected<http::RequestHead, http::Refusal> request_head(const Stream& stream,
                                                             const http::Limits& limits = {});

/// Client: a header block that response() or informational() brought. `end_stream`:
/// Stream::ended_without_body() then (false for informational ones); `to_head` and `upgrade`: of
/// the request.
std::expected<http::ResponseHead, http::Refusal> response_head(const Headers& block,
                                                               bool end_stream, bool to_head,
                                                               std::string_view upgrade = {},
                                                               const http::Limits& limits = {});

/// The peer's trailers once read() has come to the end.
std::expected<http::Fields, http::Refusal> trailer_fields(const Stream& stream,
                                                          const http::Limits& limits = {});

/// As Connection::open(); the stream ends here when there is neither a body nor an upgrade.
Result<Stream> open(Connection& connection, const http::RequestHead& head);

/// Server: a final response, or an informational one; `end_stream` with the final one that has no
/// body.
Result<void> send_head(Stream& stream, const http::ResponseHead& head, bool end_stream);

/// END_STREAM behind what is queued, with trailers if there are any.
Result<void> finish(Stream& stream, const http::Fields& trailers);

}  // namespace culvert::h2
