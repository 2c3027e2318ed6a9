#include "waypoint/http/http1_sender.hpp"

namespace culvert::waypoint {

void Http1Sender::begin(http::Framing framing, std::optional<std::uint64_t> length) {
  framing_ = framing;
  left_bytes_ = framing == http::Framing::kLength ? length.value_or(0) : 0;
}

io::Task<Result<void>> Http1Sender::write(Bytes bytes, io::Deadline deadline) {
  if (output_.failed()) co_return co_await output_.flush(deadline);  // its error
  if (bytes.empty() || framing_ == http::Framing::kNone) co_return Result<void>();
  if (framing_ == http::Framing::kLength) {
    if (bytes.size() > left_bytes_) {
      co_return fail(ErrorCode::kInvalid, "HTTP/1.1: more of a body than its head announced");
    }
    left_bytes_ -= bytes.size();
  }
  if (!output_.has_room()) {
    if (const auto room = co_await output_.wait_for_room(deadline); !room) co_return room;
  }
  const bool chunked = framing_ == http::Framing::kChunked;
  const std::string_view tail = chunked ? http::kChunkEnd : std::string_view();
  if (chunked) output_.queue().append(http::ChunkHead(bytes.size()).text());
  if (bytes.size() > kCopiedPartBytes) co_return co_await output_.write(bytes, tail, deadline);
  output_.queue().append(reinterpret_cast<const char*>(bytes.data()), bytes.size()).append(tail);
  output_.flush_soon();
  co_return Result<void>();
}

bool Http1Sender::end(const http::Fields& trailers) {
  if (framing_ == http::Framing::kChunked) http::append_last_chunk(trailers, output_.queue());
  return left_bytes_ == 0;
}

}  // namespace culvert::waypoint
