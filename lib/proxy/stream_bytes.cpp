#include "culvert/proxy/stream_bytes.hpp"

#include "culvert/h2/options.hpp"

namespace culvert::proxy {

using io::Task;

StreamBytes::~StreamBytes() {
  if (!finished_) stream_.reset(h2::kConnectError);
}

// As StreamEnd has it: CANCEL and NO_ERROR are ends of stream.
Task<Result<std::span<const std::uint8_t>>> StreamBytes::read(io::Deadline deadline) {
  auto part = co_await stream_.read(deadline);
  if (!part && part.error().code == ErrorCode::kReset) {
    const auto code = stream_.reset_code();
    if (code == h2::kCancel || code == h2::kNoError) co_return std::span<const std::uint8_t>();
  }
  co_return part;
}

Task<Result<void>> StreamBytes::write(std::span<const std::uint8_t> bytes, io::Deadline deadline) {
  if (bytes.size() < h2::kPassBytes) co_return co_await stream_.write(bytes, deadline);
  co_return co_await stream_.pass(bytes, deadline);
}

Task<> StreamBytes::finish(io::Deadline deadline) {
  finished_ = true;
  if (stream_.finish()) (void)co_await stream_.flushed(deadline);
}

}  // namespace culvert::proxy
