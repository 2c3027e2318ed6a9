#include "waypoint/http/http2_body.hpp"

#include "culvert/h2/http.hpp"
#include "culvert/h2/options.hpp"

namespace culvert::waypoint {

Error peer_error(Error error, Origin origin) {
  if (error.code == ErrorCode::kCancelled) return error;
  if (error.code == ErrorCode::kClosed) error.code = ErrorCode::kReset;
  error.origin = origin;
  return error;
}

Result<Bytes> Http2BodyReader::refuse(const http::Refusal& why) {
  refusal_ = why;
  if (origin_ == Origin::kUpstream) stream_.reset(h2::kProtocolError);  // a client is answered
  return std::unexpected(why.error(origin_));
}

Result<Bytes> Http2BodyReader::judge(Result<Bytes> part) {
  if (!part) return std::unexpected(peer_error(part.error(), origin_));
  if (ended_) return part;
  if (left_bytes_) {
    if (part->empty() ? *left_bytes_ > 0 : part->size() > *left_bytes_) {
      return refuse(http::refusals::kLengthMismatch);
    }
    *left_bytes_ -= part->size();
  }
  if (!part->empty()) return part;
  ended_ = true;
  if (stream_.trailers().empty()) return part;
  auto trailers = h2::trailer_fields(stream_, limits_);
  if (!trailers) return refuse(trailers.error());
  trailers_ = std::move(*trailers);
  return part;
}

std::optional<Result<Bytes>> Http2BodyReader::try_read() {
  if (refusal_) return std::unexpected(refusal_->error(origin_));
  if (ended_) return Bytes{};
  auto part = stream_.try_read();
  if (!part) return std::nullopt;
  return judge(*part);
}

io::Task<Result<Bytes>> Http2BodyReader::read(io::Deadline deadline) {
  while (true) {
    if (const auto part = try_read()) co_return *part;
    if (const auto woken = co_await stream_.wait_readable(deadline); !woken) {
      co_return std::unexpected(peer_error(woken.error(), origin_));
    }
  }
}

void Http2BodyWriter::begin(const http::Body& body, bool takes_bytes) {
  takes_bytes_ = takes_bytes;
  if (takes_bytes && body.present) left_bytes_ = body.length;
}

std::optional<Result<void>> Http2BodyWriter::try_write(Bytes bytes) {
  if (bytes.empty() || !takes_bytes_) return Result<void>();
  if (left_bytes_ && bytes.size() > *left_bytes_) {
    return fail(ErrorCode::kInvalid, "HTTP/2: more of a body than its head announced");
  }
  if (bytes.size() >= h2::kPassBytes || !stream_.try_write(bytes)) return std::nullopt;
  if (left_bytes_) *left_bytes_ -= bytes.size();
  return Result<void>();
}

io::Task<Result<void>> Http2BodyWriter::write(Bytes bytes, io::Deadline deadline) {
  if (const auto done = try_write(bytes)) co_return *done;
  if (left_bytes_) *left_bytes_ -= bytes.size();
  auto written = bytes.size() >= h2::kPassBytes ? co_await stream_.pass(bytes, deadline)
                                                : co_await stream_.write(bytes, deadline);
  if (!written) co_return std::unexpected(peer_error(written.error(), origin_));
  co_return written;
}

bool Http2BodyWriter::end_with_head() {
  if (left_bytes_.value_or(0) > 0) return false;
  ended_ = true;
  return true;
}

Result<void> Http2BodyWriter::end(const http::Fields& trailers) {
  if (ended_) return {};
  ended_ = true;
  if (left_bytes_.value_or(0) > 0) {
    stream_.reset(h2::kInternalError);
    return fail(ErrorCode::kInvalid, "HTTP/2: less of a body than its head announced");
  }
  const auto queued = h2::finish(stream_, trailers);
  if (!queued) return std::unexpected(peer_error(queued.error(), origin_));
  return queued;
}

std::optional<Result<void>> Http2BodyWriter::try_flushed() {
  auto done = stream_.try_flushed();
  if (done && !*done) return std::unexpected(peer_error(done->error(), origin_));
  return done;
}

}  // namespace culvert::waypoint
